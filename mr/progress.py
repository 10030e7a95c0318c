"""Progress: a listener that shows a run as it goes, live on a terminal or in plain lines.

What is shown is gathered by `Figures`, which knows nothing of how; both displays
are thin. Neither prints: a terminal is rich's, lines go to a function.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mr.events import (
    Event,
    PassFinished,
    PassStarted,
    RoundFinished,
    RunFinished,
    RunStarted,
    TaskDone,
    TaskRetried,
)
from mr.tally import Tally

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Listener = Callable[[Event], None]

LEAST_SECONDS = 1.0
"""Between two plain lines; rounds in between go unmentioned."""


@dataclass
class Figures:
    """What is known of a run so far.

    Parameters
    ----------
    tol : float, optional
        Relative gradient at which the run ends.
    clock : callable
        Seconds, from any origin.
    """

    tol: float | None = None
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)
    purpose: str = ""
    passes: int = 0
    loss: float | None = None
    gradient: float | None = None
    done: int = 0
    tasks: int = 0
    note: str = ""
    _first: tuple[int, float, float] | None = None

    def take(self, event: Event) -> None:
        """Take in an event."""
        self.tally(event)
        match event:
            case RunStarted(passes=passes):
                self._begin(passes)
            case PassStarted(number, purpose, tasks):
                self.purpose, self.tasks, self.done = purpose, tasks, 0
                if number == 0:  # a pass of its own: what a fit found before is not of it
                    self._begin(0)
            case TaskDone():
                self.done += 1
            case TaskRetried(task, reason):
                self.note = f"{task} is tried again: {reason}"
            case RoundFinished(passes=passes, report=report):
                self.passes = passes
                self.loss = report.get("loss")
                self.gradient = report.get("gradient")
                self._remember()

    def text(self) -> str:
        """Return the figures on one line."""
        parts = [f"{self.purpose} pass {self.passes}" if self.passes else self.purpose]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.6f}")
        if self.gradient is not None:
            parts.append(f"gradient {self.gradient:.1e}")
        parts.append(f"tasks {self.done}/{self.tasks}")
        parts.append(f"workers {len(self.tally.present)}")
        if self.tally.retries:
            parts.append(f"retries {self.tally.retries}")
        left = self.seconds_left()
        if left is not None and left >= 1:
            parts.append(f"about {spell(left)} left")
        return "  ".join(parts)

    def seconds_left(self) -> float | None:
        """Estimate the time to convergence from how fast the gradient shrank, or None.

        With relative gradients g0 after the first round and g after the latest, the passes
        left are ``log(g / tol) / log(g0 / g)`` for each pass made in between.
        """
        if self._first is None or self.tol is None or not self.gradient:
            return None
        first, gradient, started = self._first
        shrunk = math.log(gradient / self.gradient)
        wanted = math.log(self.gradient / self.tol)
        if self.passes == first or shrunk <= 0:
            return None
        return max(0.0, wanted / shrunk) * (self.clock() - started)

    def _begin(self, passes: int) -> None:
        self.passes, self._first, self.loss, self.gradient = passes, None, None, None

    def _remember(self) -> None:
        if self._first is None and self.gradient:
            self._first = self.passes, self.gradient, self.clock()


def spell(seconds: float) -> str:
    """Return a duration as people say it.

    Examples
    --------
    >>> spell(7.2), spell(130), spell(7300)
    ('7 s', '2 min 10 s', '2 h 1 min')
    """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def lines(
    write: Callable[[str], None],
    tol: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Listener:
    """Return a listener that writes at most one line a pass, and one at the end.

    Parameters
    ----------
    write : callable
        Takes a line without its end.
    tol : float, optional
        Relative gradient at which the run ends.
    clock : callable
        Seconds, from any origin.
    """
    figures = Figures(tol, clock)
    written = -math.inf

    def listen(event: Event) -> None:
        nonlocal written
        figures.take(event)
        match event:
            case RunFinished(status=status):
                write(figures.text())
                write(status)
            case PassFinished(seconds=seconds) if figures.purpose != "fit":
                write(f"{figures.text()}  {seconds:.2f} s")
            case RoundFinished() if clock() - written >= LEAST_SECONDS:
                written = clock()
                note, figures.note = figures.note, ""
                write(figures.text() + (f"  ({note})" if note else ""))

    return listen


@contextmanager
def live(tol: float | None = None, console: Console | None = None) -> Iterator[Listener]:
    """Show figures on a terminal, redrawn in place; the last ones stay.

    Whatever ends the block, Ctrl-C included, gives the terminal back.

    Parameters
    ----------
    tol : float, optional
        Relative gradient at which the run ends.
    console : rich.console.Console, optional
        By default standard error.
    """
    from rich.console import Console
    from rich.live import Live

    figures = Figures(tol)
    with Live(
        console=console or Console(stderr=True),
        get_renderable=lambda: _drawn(figures),
        refresh_per_second=8,
        redirect_stdout=False,
    ):
        yield figures.take


def _drawn(figures: Figures) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def line(text: str, style: str = "") -> Text:
        return Text(text, style=style, overflow="ellipsis", no_wrap=True)

    rows = Table.grid()
    rows.add_row(line(figures.text()))
    rows.add_row(ProgressBar(max(1, figures.tasks), figures.done, width=40))
    if figures.note:
        rows.add_row(line(figures.note, "dim"))
    return rows
