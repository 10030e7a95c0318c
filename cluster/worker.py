"""What a worker process runs: ``python -m mr.cluster.worker``, driven over its pipes.

Messages are pickled tuples on standard input and output; whatever user code
prints goes to standard error. The worker leaves when the driver's pipe closes,
in the middle of an attempt if need be.
"""

from __future__ import annotations

import os
import pickle
import platform
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from mr.config import Config
from mr.errors import GradfoldError, UsageError
from mr.job import FoldJob
from mr.solver import Point
from mr.storage.cache import write_whole
from mr.storage.container import map_file
from mr.storage.dataset import Dataset
from mr.storage.reader import Reader
from mr.storage.translate import translated
from mr.task import Attempt, Fault, execute, injected

INLINE_BYTES = 1 << 16
"""Statistics up to this size travel in the pipe, larger ones in a mapped file."""

Message = tuple[Any, ...]


def versions() -> tuple[str, str]:
    """Return what driver and worker must agree on for code sent by value to run."""
    return platform.python_version(), np.__version__


class Worker:
    """Serves one driver.

    Parameters
    ----------
    scratch : Path
        The driver's directory for mapped files.
    config : Config
    send : callable
        Sends a message to the driver.
    """

    def __init__(self, scratch: Path, config: Config, send: Callable[[Message], None]) -> None:
        self._scratch = scratch
        self._cache = config.cache()
        self._send = send
        self._programs: dict[int, tuple[FoldJob, Reader] | Path] = {}
        self._point: tuple[int, Point] = (-1, {})

    def serve(self, message: Message) -> None:
        """Act on one message of the driver."""
        match message:
            case "program", number, path:
                self._programs[number] = path  # loaded by the first attempt, which can fail
            case "round", number, path:
                self._point = (number, map_file(path, verify=False)[1])
            case "work", program, attempt, fault, skip:
                self._run(program, attempt, fault, skip)

    def _run(
        self, program: int, attempt: Attempt, fault: Fault | None, skip: frozenset[int]
    ) -> None:
        strike = None if fault is None else lambda: _suffer(fault, attempt)
        try:
            job, reader = self._program(program)
            payload = execute(job, reader, self._point[1], attempt, strike=strike, skip=skip)
            result = self._result(attempt, payload)
        except GradfoldError as error:
            self._send(("failed", attempt, _portable(error)))
        else:
            self._send(("finished", attempt, result))

    def _program(self, number: int) -> tuple[FoldJob, Reader]:
        """Return a job and what opens its blocks, loaded where it was not yet."""
        held = self._programs[number]
        if isinstance(held, Path):
            job, dataset = _loaded(held)
            self._programs[number] = held = job, Reader(dataset, self._cache)
        return held

    def _result(self, attempt: Attempt, payload: bytes | None) -> bytes | Path | None:
        """Return what is sent of a result: itself, or the file that holds a large one."""
        if payload is None or len(payload) <= INLINE_BYTES:
            return payload
        path = self._scratch / f"{attempt}.gfc"
        with translated(str(path)):
            write_whole(path, [payload])
        return path


def _loaded(path: Path) -> tuple[FoldJob, Dataset]:
    try:
        return cast("tuple[FoldJob, Dataset]", pickle.loads(path.read_bytes()))  # noqa: S301 - from our own driver
    except Exception as error:
        raise UsageError(
            f"A worker cannot load the job: {type(error).__name__}: {error}",
            cause="it refers to a module that only the driver has, or fails to be unpickled",
            remedy="define the job in a file or script that workers can import, or pass the module "
            "to cloudpickle.register_pickle_by_value",
        ) from error


def _portable(error: GradfoldError) -> GradfoldError:
    """Return the error, or one in its place if it is of a class that the driver cannot import."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, this moment
    except Exception:  # noqa: BLE001 - whatever its attributes raise
        what = f"{type(error).__name__}: {error.what}"
        return GradfoldError(what, place=error.place, cause=error.cause, remedy=error.remedy)
    return error


def _suffer(fault: Fault, attempt: Attempt) -> None:
    if fault is Fault.RAISE:
        raise injected(attempt)
    if fault is Fault.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the driver's pipes for messages alone; user code finds none of them."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _let_go(inbox, outbox))
    return inbox, outbox


def _let_go(*pipes: IO[bytes]) -> None:
    """Keep a child that user code forks from holding the driver's pipes open after our death."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in pipes:
        os.dup2(nothing, pipe.fileno(), inheritable=False)
    os.close(nothing)


def _listen(inbox: IO[bytes], messages: queue.SimpleQueue[Message]) -> None:
    try:
        while True:
            messages.put(pickle.load(inbox))  # noqa: S301 - from our own driver
    except (EOFError, pickle.UnpicklingError, OSError):
        os._exit(0)  # the driver is gone: whatever runs here is no longer wanted


def main() -> None:
    """Serve until the driver's pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    if hasattr(signal, "pthread_sigmask"):  # the driver held it until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    inbox, outbox = _take_pipes()
    try:
        scratch, config, path = pickle.load(inbox)  # noqa: S301 - from our own driver
    except EOFError:
        return  # it died before it had said anything
    sys.path[:] = path
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, messages), daemon=True).start()

    def send(message: Message) -> None:
        try:
            pickle.dump(message, outbox)
            outbox.flush()
        except BrokenPipeError:
            os._exit(0)  # the driver is gone, and the other thread is about to see it

    send(("ready", os.getpid(), socket.gethostname(), versions()))
    worker = Worker(scratch, config, send)
    with threadpool_limits(1):
        while True:
            worker.serve(messages.get())


if __name__ == "__main__":
    main()
