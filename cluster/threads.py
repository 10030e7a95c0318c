"""`ThreadsEngine`: threads of this process, for kernels that release the interpreter's lock."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from mr.cluster.local import Readers, run
from mr.config import Config
from mr.engine import Work, refuse_options
from mr.events import EngineEvent, WorkerAlive, WorkerJoined, WorkerLost
from mr.task import Attempt, Fault, injected


class _Killed(BaseException):
    """Unwinds a worker's thread that an injected fault kills."""


@dataclass
class _Worker:
    """A thread, its inbox, and whether it is wanted still."""

    name: str
    inbox: queue.SimpleQueue[Work | None] = field(default_factory=queue.SimpleQueue)
    stopped: threading.Event = field(default_factory=threading.Event)
    attempt: Attempt | None = None


class ThreadsEngine:
    """One thread a worker. A thread cannot be stopped: it is given up, and another begun.

    What a given-up thread still reports is dropped.
    """

    name = "threads"
    vital = False

    def __init__(self, config: Config) -> None:
        self._readers = Readers(config)
        self._happened: queue.SimpleQueue[EngineEvent] = queue.SimpleQueue()
        self._workers: dict[str, _Worker] = {}
        self._started = 0
        self.slots = config.workers
        for _ in range(config.workers):
            self._start()

    @classmethod
    def open(cls, config: Config, options: str = "") -> Self:
        """Start the threads."""
        refuse_options(cls.name, options)
        return cls(config)

    def clock(self) -> float:
        """Return this machine's monotonic time."""
        return time.monotonic()

    def submit(self, work: Work) -> None:
        """Hand an attempt to its worker's thread."""
        worker = self._workers.get(work.worker)
        if worker is None:  # given up since it was last heard of: its loss is reported already
            return
        worker.attempt = work.attempt
        worker.inbox.put(work)

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Return what threads have reported; a lost one has been replaced by then."""
        try:
            first = self._happened.get(timeout=None if timeout is None else max(0.0, timeout))
        except queue.Empty:
            return ()
        events = [first]
        while not self._happened.empty():
            events.append(self._happened.get())
        return [event for event in events if self._current(event)]

    def cancel(self, attempt: Attempt) -> None:
        """Give up the thread that runs an attempt."""
        for worker in list(self._workers.values()):
            if worker.attempt == attempt:
                worker.attempt = None  # should it end all the same, nobody is told
                self._happened.put(WorkerLost(worker.name, "it was cancelled"))

    def close(self) -> None:
        """Ask all threads to end once their attempt does."""
        for worker in self._workers.values():
            worker.stopped.set()
            worker.inbox.put(None)
        self._workers.clear()

    def _current(self, event: EngineEvent) -> bool:
        if isinstance(event, WorkerJoined | WorkerAlive):
            return True
        worker = self._workers.get(event.worker)
        if worker is None:
            return False
        if not isinstance(event, WorkerLost) and event.attempt != worker.attempt:
            return False
        if isinstance(event, WorkerLost):
            del self._workers[event.worker]
            worker.stopped.set()
            worker.inbox.put(None)
            self._start()
        worker.attempt = None
        return True

    def _start(self) -> None:
        worker = _Worker(f"thread-{self._started}")
        self._started += 1
        self._workers[worker.name] = worker
        threading.Thread(
            target=self._serve, args=(worker,), name=f"gradfold-{worker.name}", daemon=True
        ).start()
        self._happened.put(WorkerJoined(worker.name, os.getpid(), "localhost"))

    def _serve(self, worker: _Worker) -> None:
        while (work := worker.inbox.get()) is not None:
            fault, attempt = work.fault, work.attempt
            try:
                ended = run(work, self._readers, _strike(fault, attempt, worker) if fault else None)
            except _Killed:
                self._happened.put(WorkerLost(worker.name, "killed by an injected fault"))
                return
            self._happened.put(ended)


def _strike(fault: Fault, attempt: Attempt, worker: _Worker) -> Callable[[], None]:
    def strike() -> None:
        if fault is Fault.RAISE:
            raise injected(attempt)
        if fault is Fault.HANG:
            worker.stopped.wait()
        raise _Killed

    return strike
