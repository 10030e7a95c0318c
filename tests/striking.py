"""Signals to real processes at moments of a real fit that a seed decides."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squares import fit_squares

from mr import Dataset
from mr.events import Event, WorkerJoined, WorkerLost

EVENTS = 200
"""Events of a fit within which it is struck; an undisturbed one has some more."""


@dataclass(frozen=True)
class Blow:
    """A signal to a worker, or to the driver itself, at a moment of the run.

    Parameters
    ----------
    event : int
        The driver's so many-th event, after which
    delay : float
        so many seconds pass.
    stop : bool
        SIGSTOP in place of SIGKILL.
    victim : int
        Which of the workers that are up; of no meaning to drivers.
    wake : float, optional
        Seconds after which a stopped process goes on; None for never.
    """

    event: int
    delay: float
    stop: bool
    victim: int = 0
    wake: float | None = None

    @classmethod
    def draw(cls, chance: random.Random, *, stop: bool) -> Blow:
        """Draw a moment: right after an event, or in the middle of what follows it."""
        event, delay = chance.randrange(EVENTS), chance.choice([0.0, 0.02]) * chance.random()
        wake = chance.choice([None, 0.05, 0.5, 1.3]) if stop else None
        return cls(event, delay, stop, chance.randrange(8), wake)

    def fall(self, pid: int) -> None:
        """Send the signal, and the one that ends a stop."""
        time.sleep(self.delay)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if self.stop else signal.SIGKILL)
            if self.wake is not None:
                time.sleep(self.wake)
                os.kill(pid, signal.SIGCONT)


@dataclass
class Striker:
    """A listener that strikes, each blow at its event, from a thread of its own.

    Parameters
    ----------
    blows : list of Blow
    pid : int, optional
        The process to strike; by default a worker.
    """

    blows: list[Blow]
    pid: int | None = None
    _seen: int = 0
    _workers: dict[str, int] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take note of an event, and set off the blows that are due."""
        if isinstance(event, WorkerJoined):
            self._workers[event.worker] = event.pid
        elif isinstance(event, WorkerLost):
            self._workers.pop(event.worker, None)
        self._seen += 1
        pids = [self.pid] if self.pid else list(self._workers.values())
        due = [blow for blow in self.blows if blow.event < self._seen]
        if not pids or not due:
            return
        self.blows = [blow for blow in self.blows if blow not in due]
        for blow in due:
            thread = threading.Thread(target=blow.fall, args=[pids[blow.victim % len(pids)]])
            self._threads.append(thread)
            thread.start()

    @property
    def struck(self) -> bool:
        """Whether any blow was due."""
        return bool(self._threads)

    def join(self) -> None:
        """Wait for the blows that are still to fall."""
        for thread in self._threads:
            thread.join()


def fit(path: Path, striker: Striker | None = None, **settings: Any) -> str:
    """Fit to a file, libsvm or npy, and return the model's digest."""
    listeners = (striker,) if striker else ()
    fitted = fit_squares if path.suffix == ".npy" else fit_logistic
    try:
        return fitted(path, listeners=listeners, **settings)
    finally:
        if striker:
            striker.join()


def fit_logistic(path: Path, **settings: Any) -> str:
    """Fit as the other tests of the promise do."""
    from mr.algorithms import LogisticRegression

    dataset = Dataset(path, block_size=path.stat().st_size // 16)
    model = LogisticRegression(l2=1e-3, solver="lbfgs", tol=1e-5)
    return model.fit(dataset, **settings).model_.digest()
