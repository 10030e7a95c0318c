"""`ProcessesEngine`: worker processes of this machine, replaced when they die.

A process is started as ``python -m mr.cluster.worker``, never by importing the
user's ``__main__``. Points and large statistics travel in files that both sides
map, one file an attempt, so an attempt that was given up cannot write into
another's.
"""

from __future__ import annotations

import mmap
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self, cast

import mr
from mr import ship
from mr.cluster.pulse import Pulse
from mr.cluster.worker import Message, versions
from mr.config import Config
from mr.engine import Program, Round, Work, refuse_options
from mr.errors import GradfoldError, UsageError, WorkersUnavailable
from mr.events import (
    AttemptFailed,
    AttemptFinished,
    EngineEvent,
    WorkerAlive,
    WorkerJoined,
    WorkerLost,
)
from mr.storage import scratch
from mr.storage.cache import write_whole
from mr.storage.container import encode
from mr.storage.translate import translated
from mr.task import Attempt

STILLBORN = 3
"""Workers a slot that may die one after the other before any is ready."""


@dataclass
class _Worker:
    """A process, what it runs, and what it has been sent."""

    name: str
    process: subprocess.Popen[bytes]
    attempt: Attempt | None = None
    cancelled: Attempt | None = None
    programs: set[int] = field(default_factory=set)
    round: int = -1

    def send(self, message: Message) -> None:
        """Send a message; to a dead worker it is lost, as the end of its pipe will tell."""
        with suppress(BrokenPipeError):
            pickle.dump(message, cast("IO[bytes]", self.process.stdin))
            cast("IO[bytes]", self.process.stdin).flush()


class ProcessesEngine:
    """Worker processes, each with one attempt at a time."""

    name = "processes"
    vital = True

    def __init__(self, config: Config) -> None:
        self._config = config
        self._directory = Path(tempfile.mkdtemp(prefix="engine-", dir=scratch.directory()))
        self._inbox: queue.SimpleQueue[tuple[str, Message | None]] = queue.SimpleQueue()
        self._workers: dict[str, _Worker] = {}
        self._programs: list[tuple[Program, Path]] = []
        self._round: Round | None = None
        self._rounds = 0
        self._started = 0
        self.slots = config.workers
        self._stillborn = 0
        for _ in range(config.workers):
            self._start()
        self._pulse = Pulse(self._pids, lambda name: self._inbox.put((name, ("alive",))))

    @classmethod
    def open(cls, config: Config, options: str = "") -> Self:
        """Start the processes, and return before they are ready."""
        refuse_options(cls.name, options)
        return cls(config)

    def clock(self) -> float:
        """Return this machine's monotonic time."""
        return time.monotonic()

    def submit(self, work: Work) -> None:
        """Send an attempt to its worker, and before it what the worker lacks for it."""
        worker = self._workers.get(work.worker)
        if worker is None:  # died since it was last heard of: its loss is reported already
            return
        program, round_number = self._program(work.round.program), self._number(work.round)
        if program not in worker.programs:
            worker.send(("program", program, self._programs[program][1]))
            worker.programs.add(program)
        if worker.round != round_number:
            worker.send(("round", round_number, self._point()))
            worker.round = round_number
        worker.attempt = work.attempt
        worker.send(("work", program, work.attempt, work.fault, work.skip))

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Return what workers have reported; dead ones have been replaced by then."""
        try:
            received = [self._inbox.get(timeout=None if timeout is None else max(0.0, timeout))]
        except queue.Empty:
            return ()
        while not self._inbox.empty():
            received.append(self._inbox.get())
        events = (self._event(name, message) for name, message in received)
        return [event for event in events if event is not None]

    def cancel(self, attempt: Attempt) -> None:
        """Kill the worker that runs an attempt: nothing less stops a kernel."""
        for worker in self._workers.values():
            if worker.attempt == attempt:
                worker.cancelled = attempt
                worker.process.kill()

    def close(self) -> None:
        """Kill all workers, wait for them, and remove the files."""
        self._pulse.close()
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            _bury(worker.process)
        self._workers.clear()
        self._programs.clear()  # the data goes with its last owner, and this is not to be it
        self._round = None
        shutil.rmtree(self._directory, ignore_errors=True)

    # -- workers --------------------------------------------------------------

    def _pids(self) -> dict[str, int]:
        return {worker.name: worker.process.pid for worker in list(self._workers.values())}

    def _start(self) -> None:
        name = f"worker-{self._started}"
        self._started += 1
        # -P: a file in the working directory that is called like a module must not shadow it.
        with _interrupts_held():
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mr.cluster.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
            )
        worker = _Worker(name, process)
        self._workers[name] = worker
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        worker.send((self._directory, self._config, sys.path))

    def _listen(self, worker: _Worker) -> None:
        pipe = cast("IO[bytes]", worker.process.stdout)
        # Whatever ends the stream, a message that cannot be read included, ends the worker.
        with suppress(Exception):
            while True:
                self._inbox.put((worker.name, pickle.load(pipe)))  # noqa: S301 - our own worker
        self._inbox.put((worker.name, None))

    def _event(self, name: str, message: Message | None) -> EngineEvent | None:
        worker = self._workers.get(name)
        if worker is None:
            return None
        match message:
            case None:
                return self._lost(worker)
            case "ready", pid, host, theirs:
                return self._ready(worker, pid, host, theirs)
            case _, attempt, _ if attempt == worker.cancelled:
                return None  # it ended before it could be killed
            case ("alive",):
                return WorkerAlive(name)
        worker.attempt = None
        return _ended(name, message)

    def _ready(self, worker: _Worker, pid: int, host: str, theirs: Any) -> WorkerJoined:
        self._stillborn = 0
        if theirs != versions():
            raise WorkersUnavailable(
                f"Worker {worker.name} runs Python and numpy {theirs}, the driver {versions()}",
                remedy="make both use one environment",
            )
        return WorkerJoined(worker.name, pid, host)

    def _lost(self, worker: _Worker) -> WorkerLost:
        del self._workers[worker.name]
        status = _bury(worker.process)
        if worker.attempt is not None:
            (self._directory / f"{worker.attempt}.gfc").unlink(missing_ok=True)
        self._stillborn += 1
        if self._stillborn > STILLBORN * self._config.workers:
            raise WorkersUnavailable(
                f"{self._stillborn} worker processes died one after the other, "
                f"none of them ready; the last {_cause(status)}",
                cause="the environment cannot import gradfold, or there is no memory left",
                remedy=f"run '{sys.executable} -m mr.cluster.worker < /dev/null' to see why",
            )
        self._start()
        return WorkerLost(worker.name, f"process {worker.process.pid} {_cause(status)}")

    # -- what is sent once ----------------------------------------------------

    def _program(self, program: Program) -> int:
        for number, (known, _) in enumerate(self._programs):
            if known is program:
                return number
        path = self._directory / f"program-{len(self._programs)}.pkl"
        with translated(str(path)):
            write_whole(path, [_shipped(program)])  # a pipe that nobody reads holds little
        self._programs.append((program, path))
        return len(self._programs) - 1

    def _number(self, round_: Round) -> int:
        if self._round is not round_:
            self._point().unlink(missing_ok=True)  # a round ends before the next begins
            self._round, self._rounds = round_, self._rounds + 1
            path = self._point()
            with translated(str(path)):
                write_whole(path, encode({}, round_.point))
        return self._rounds

    def _point(self) -> Path:
        return self._directory / f"round-{self._rounds}.gfc"


def _ended(name: str, message: Message) -> AttemptFinished | AttemptFailed:
    match message:
        case "finished", attempt, result:
            return AttemptFinished(attempt, name, _payload(result))
        case "failed", attempt, error:
            return AttemptFailed(attempt, name, error)
    raise AssertionError(f"a worker sent {message!r}")


def _payload(result: bytes | Path | None) -> bytes | memoryview | None:
    if not isinstance(result, Path):
        return result
    with result.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    result.unlink()
    return memoryview(mapped)


def _shipped(program: Program) -> bytes:
    try:
        return ship.dumps((program.job, program.dataset))
    except GradfoldError:
        raise
    except Exception as error:
        raise UsageError(
            f"The job cannot be sent to worker processes: {error}",
            cause="the job, or what its functions refer to, holds something of this process "
            "alone: a lock, an open file, a connection",
            remedy="make that inside map, or use engine='inline' or 'threads'",
        ) from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start a process in which Ctrl-C, the driver's to handle, waits until it is ignored."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment() -> dict[str, str]:
    home = str(Path(mr.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **single, "PYTHONPATH": path}


def _bury(process: subprocess.Popen[bytes]) -> int:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            cast("IO[bytes]", pipe).close()
    return process.wait()


def _cause(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    likely = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{likely}"
