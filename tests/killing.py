"""Real fits in which real processes are killed or stopped: workers here, drivers in a nursery.

A driver that is to die is forked from a *nursery*, a process that has imported everything
once: ``python -m killing`` reads one request a line and answers with what became of the
driver that it forked for it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from mr.events import Event, WorkerJoined, WorkerLost

EVENTS = 280
"""Events of a fit within which it is struck; an undisturbed one has some more."""
LIMIT = 4.0
"""Seconds that an attempt may run, so that one on a stopped worker is given up."""


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
        Which of the workers that are up; ignored for drivers.
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
        """Draw a moment: anywhere between two events, or in the middle of what follows one."""
        wake = chance.choice([None, 0.05, 0.5, 1.3]) if stop else None
        event, delay = chance.randrange(EVENTS), chance.choice([0.0, 0.02]) * chance.random()
        return cls(event, delay, stop, chance.randrange(8), wake)

    def fall(self, pid: int) -> None:
        """Send the signal, and the one that ends a stop."""
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
        The process to strike; None strikes workers.
    """

    blows: list[Blow]
    pid: int | None = None
    struck: int = 0
    _seen: int = 0
    _workers: dict[str, int] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take note of an event, and set off the blows that are due."""
        if isinstance(event, WorkerJoined):
            self._workers[event.worker] = event.pid
        elif isinstance(event, WorkerLost):
            self._workers.pop(event.worker, None)
        for blow in self.blows:
            pids = [self.pid] if self.pid else list(self._workers.values())
            if blow.event == self._seen and pids:
                self._set_off(blow, pids[blow.victim % len(pids)])
        self._seen += 1

    def join(self) -> None:
        """Wait for the blows that are still to fall."""
        for thread in self._threads:
            thread.join()

    def _set_off(self, blow: Blow, pid: int) -> None:
        def wait_and_strike() -> None:
            time.sleep(blow.delay)
            blow.fall(pid)

        self.struck += 1
        thread = threading.Thread(target=wait_and_strike, daemon=True)
        self._threads.append(thread)
        thread.start()


def fit(path: Path, striker: Striker, **settings: Any) -> str:
    """Fit as the other tests of the promise do, and return the model's digest."""
    from promise_data import estimator

    dataset = estimator.data(path)
    try:
        model = estimator().fit(dataset, listeners=(striker,), **settings)
    finally:
        striker.join()
    return str(model.model_.digest())


def workers_of(scratch: Path) -> list[psutil.Process]:
    """Return the worker processes whose scratch directories are under a directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            mine = "mr.cluster.worker" in (process.info["cmdline"] or [])
            if mine and process.environ().get("GRADFOLD_SCRATCH") == str(scratch):
                found.append(process)
    return found


def wake(processes: list[psutil.Process]) -> None:
    """Let stopped processes go on."""
    for process in processes:
        with suppress(psutil.Error):
            process.resume()


class Nursery:
    """Forks drivers.

    Parameters
    ----------
    environment : dict
        Its variables, and those of its drivers.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        path = str(Path(__file__).parent)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "killing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            text=True,
        )

    def drive(self, path: Path, run: Path, blow: Blow, **settings: Any) -> Iterator[dict[str, Any]]:
        """Let a driver be born, and yield what becomes of it until it is dead."""
        request = {"path": str(path), "run": str(run), "blow": asdict(blow), **settings}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            news = json.loads(line)
            yield news
            if "status" in news:
                return
        raise AssertionError("the nursery is dead")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout
        self._process.stdout.close()


@contextmanager
def nursery(environment: dict[str, str]) -> Iterator[Nursery]:
    """Open a nursery for a while."""
    opened = Nursery(environment)
    try:
        yield opened
    finally:
        opened.close()


def _serve() -> None:
    """Fork a driver for each request, and tell what becomes of it."""
    import mr.algorithms.logistic  # noqa: F401 - so that drivers find it there

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(request)
        while True:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                print(json.dumps({"stopped": pid}), flush=True)
                continue
            print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)
            break


def _live(request: dict[str, Any]) -> None:
    """Be a driver: fit, and leave the digest beside the run."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # the nursery's answers are not ours to give
        blow = Blow(**request.pop("blow"))
        path, run = Path(request.pop("path")), request.pop("run")
        digest = fit(path, Striker([blow], os.getpid()), engine="processes", run=run, **request)
        Path(f"{run}.digest").write_text(digest)
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
