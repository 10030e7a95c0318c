"""The parts of ``mr demo``: data, a killer of workers, and a picture of the convergence."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mr.errors import UsageError
from mr.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    RoundFinished,
    TaskRetried,
    WorkerJoined,
)
from mr.storage.atomic import write_bytes
from mr.task import Attempt

COLUMNS = 20
_CHUNK = 100_000


def check_installed() -> None:
    """Refuse to start without what the demo draws on.

    Raises
    ------
    UsageError
        If a package is missing; names the extra that brings it.
    """
    missing = [name for name in ("sklearn", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The demo needs {' and '.join(missing)}",
            cause="the iris data comes with scikit-learn, and matplotlib draws the picture",
            remedy="pip install 'gradfold[demo]'",
        )


def write_iris(path: Path) -> int:
    """Write scikit-learn's iris data as libsvm; return the number of flowers."""
    from sklearn.datasets import load_iris

    features, species = load_iris(return_X_y=True)
    lines = [
        " ".join([f"{kind:g}", *(f"{j}:{value:g}" for j, value in enumerate(row, start=1))])
        for row, kind in zip(features, species, strict=True)
    ]
    write_bytes(str(path), ("\n".join(lines) + "\n").encode())
    return len(lines)


def write_rows(path: Path, rows: int, seed: int) -> None:
    """Write rows of a known model as npy: normal columns, and in the last a 0/1 label.

    Written chunk by chunk through a map, so that memory does not bound the rows.
    """
    generator = np.random.default_rng(seed)
    true = generator.standard_normal(COLUMNS)
    shape = (rows, COLUMNS + 1)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, rows, _CHUNK):
        chunk = table[start : start + _CHUNK]
        columns = generator.standard_normal((len(chunk), COLUMNS), dtype=np.float32)
        chunk[:, :COLUMNS] = columns
        chunk[:, COLUMNS] = columns @ true + generator.logistic(size=len(chunk)) > 0
    table.flush()


@contextmanager
def own_cache(directory: Path) -> Iterator[None]:
    """Keep decoded blocks in a directory of the demo's own meanwhile."""
    before = os.environ.get("GRADFOLD_CACHE")
    os.environ["GRADFOLD_CACHE"] = str(directory)
    try:
        yield
    finally:
        if before is None:
            del os.environ["GRADFOLD_CACHE"]
        else:
            os.environ["GRADFOLD_CACHE"] = before


@dataclass
class Curve:
    """A listener that keeps loss and relative gradient of each pass."""

    passes: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    gradient: list[float] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take down a round."""
        if isinstance(event, RoundFinished):
            self.passes.append(event.passes)
            self.loss.append(event.report["loss"])
            self.gradient.append(event.report["gradient"])


@dataclass(frozen=True, slots=True)
class Killed:
    """A worker that was killed: which one, its process, and what it was at."""

    worker: str
    pid: int
    attempt: Attempt


class Killer:
    """A listener that kills a worker process with SIGKILL in the middle of a task.

    An attempt is reported when it is sent, so the signal follows a moment later,
    from another thread. Had the worker finished by then, the next attempt is tried:
    a kill counts once the driver gives the task to another worker.

    Parameters
    ----------
    from_pass : int
        The first pass in which to kill.
    delay : float
        Seconds after an attempt was sent; halved when that was too late.

    Attributes
    ----------
    killed : Killed or None
        What was killed in mid-task.
    """

    def __init__(self, from_pass: int = 3, delay: float = 0.002) -> None:
        self.killed: Killed | None = None
        self._from_pass = from_pass
        self._delay = delay
        self._pids: dict[str, int] = {}
        self._target: Killed | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Watch for an attempt to strike, and for what comes of it."""
        if self.killed is not None:
            return
        match event:
            case WorkerJoined(worker=worker, pid=pid):
                self._pids[worker] = pid
            case AttemptStarted(attempt=attempt, worker=worker):
                if self._target is None and attempt.task.pass_number >= self._from_pass:
                    self._aim(Killed(worker, self._pids[worker], attempt))
            case AttemptFinished(attempt=attempt):
                self._give_up(attempt)
            case TaskRetried(task=task):
                if self._target is not None and task == self._target.attempt.task:
                    self.killed = self._target

    def _aim(self, target: Killed) -> None:
        self._target = target
        timer = threading.Timer(self._delay, self._strike, [target])
        timer.daemon = True
        timer.start()

    def _strike(self, target: Killed) -> None:
        with self._lock:
            if self._target == target:
                os.kill(target.pid, signal.SIGKILL)

    def _give_up(self, attempt: Attempt) -> None:
        with self._lock:
            if self._target is not None and attempt == self._target.attempt:
                self._target = None
                self._delay /= 2


def draw(path: Path, curves: Mapping[str, Curve], killed_in: int | None) -> None:
    """Draw loss and gradient by pass, one curve on the other, as a PNG.

    Parameters
    ----------
    path : Path
    curves : mapping of str to Curve
        By what the legend calls them; two at most.
    killed_in : int, optional
        The pass in which a worker was killed.
    """
    # Without pyplot there is no global state, and no display is asked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(left, {name: (c.passes, c.loss) for name, c in curves.items()}, killed_in)
    _panel(right, {name: (c.passes, c.gradient) for name, c in curves.items()}, killed_in)
    left.set(ylabel="objective (mean loss + penalty)", title="Loss")
    right.set(ylabel="gradient norm, relative to the start", title="Gradient", yscale="log")
    left.legend(frameon=False)
    figure.suptitle("Logistic regression: the same path, with and without a killed worker")
    figure.savefig(path, dpi=150)


def _panel(axes: Any, lines: Mapping[str, Any], killed_in: int | None) -> None:
    # The first curve is broad and light, so that the second shows on top of it.
    styles = (
        {"color": "#E69F00", "linewidth": 7, "alpha": 0.55, "solid_capstyle": "round"},
        {"color": "#0072B2", "linewidth": 1.5, "marker": "o", "markersize": 4},
    )
    for (name, (x, y)), style in zip(lines.items(), styles, strict=False):
        axes.plot(x, y, label=name, **style)
    if killed_in is not None:
        axes.axvline(killed_in, color="#555555", linestyle="--", linewidth=1, label="worker killed")
    axes.set_xlabel("pass over the data")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
