"""`InlineEngine`: this process, one attempt at a time. An engine like any other."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from mr.cluster.local import Readers, run
from mr.config import Config
from mr.engine import Work, refuse_options
from mr.events import EngineEvent, WorkerJoined, WorkerLost
from mr.task import Attempt, Fault, injected


class InlineEngine:
    """Runs an attempt when its end is asked for.

    A killed worker is one that is lost and replaced by name; a hanging attempt
    is one that does not end until it is cancelled.
    """

    name = "inline"
    vital = False
    slots = 1

    def __init__(self, config: Config) -> None:
        self._readers = Readers(config)
        self._ready: deque[EngineEvent] = deque()
        self._work: Work | None = None
        self._started = 0
        self._join()

    @classmethod
    def open(cls, config: Config, options: str = "") -> Self:
        """Make the one worker."""
        refuse_options(cls.name, options)
        return cls(config)

    def clock(self) -> float:
        """Return this machine's monotonic time."""
        return time.monotonic()

    def submit(self, work: Work) -> None:
        """Keep an attempt until events are asked for."""
        self._work = work

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Run the attempt that waits, if one does, and return what came of it."""
        if not self._ready and self._work is not None:
            self._run(self._work)
        if not self._ready and timeout is not None:
            time.sleep(max(0.0, timeout))
        happened = tuple(self._ready)
        self._ready.clear()
        return happened

    def cancel(self, attempt: Attempt) -> None:
        """Give up a hanging attempt, and its worker with it."""
        if self._work is not None and self._work.attempt == attempt:
            self._lose("it was cancelled")

    def close(self) -> None:
        """Forget what waits."""
        self._work = None

    def _run(self, work: Work) -> None:
        if work.fault is Fault.HANG:
            return
        if work.fault is Fault.KILL:
            self._lose("killed by an injected fault")
            return

        def strike() -> None:
            raise injected(work.attempt)

        self._work = None
        self._ready.append(run(work, self._readers, strike if work.fault else None))

    def _lose(self, reason: str) -> None:
        worker = self._work.worker if self._work else ""
        self._work = None
        self._ready.append(WorkerLost(worker, reason))
        self._join()

    def _join(self) -> None:
        self._ready.append(WorkerJoined(f"inline-{self._started}", os.getpid(), "localhost"))
        self._started += 1
