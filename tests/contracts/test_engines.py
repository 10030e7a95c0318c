"""Every engine of ours, held to the contract; and what is particular to one."""

from __future__ import annotations

import os
import signal
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from contracts.engines import PATIENCE, ColumnSums, EngineContract, Failing, rows
from mr import Sums, fold
from mr.config import Config
from mr.engine import Engine
from mr.errors import GradfoldError, TaskFailed, WorkersUnavailable
from mr.events import AttemptFailed, AttemptFinished, WorkerJoined, WorkerLost
from mr.registry import ENGINES
from mr.storage import scratch
from mr.task import Attempt, Fault


class TestInline(EngineContract):
    name = "inline"


class TestSimulated(EngineContract):
    """Its time is virtual: waiting takes none of ours."""

    name = "simulated"

    def options(self, workers: int) -> str:
        return f"machines={workers},cores=1"


class RacingContract(EngineContract):
    """What engines do that run beside the driver: things happen before it has heard of them."""

    def has_arrived(self, engine: Engine) -> bool:
        """Return whether a report waits to be asked for."""
        raise NotImplementedError

    def ended_unheard(self, engine: Engine) -> Attempt:
        """Run an attempt to its end, of which the driver has not heard yet."""
        for _ in range(self.workers):
            worker = self.joined(engine)
        attempt = self.submit(engine, worker)
        deadline = time.monotonic() + PATIENCE
        while not self.has_arrived(engine):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return attempt

    def test_reports_nothing_of_what_was_cancelled_though_it_had_ended(self, engine) -> None:
        engine.cancel(self.ended_unheard(engine))
        while not any(isinstance(event, WorkerLost) for event in self.kept):
            self.kept += engine.events(PATIENCE)
        self.joined(engine)
        assert not [event for event in self.kept if isinstance(event, AttemptFinished)]

    def test_takes_work_for_a_worker_that_is_gone(self, engine) -> None:
        worker = self.joined(engine)
        self.submit(engine, worker, fault=Fault.KILL)
        self.wait(engine, WorkerLost)
        self.submit(engine, worker)  # as for an event that came with the loss, and before it
        assert not [event for event in engine.events(0.05) if isinstance(event, AttemptFinished)]
        self.submit(engine, self.joined(engine))
        assert self.wait(engine, AttemptFinished).worker != worker


class TestThreads(RacingContract):
    name = "threads"

    def has_arrived(self, engine) -> bool:
        return not engine._happened.empty()


class Mine(GradfoldError):
    """An error of a user's own, of a module that the driver alone can import."""

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, ("no.such.module",)


def mine() -> None:
    raise Mine("mine", cause="a lock", remedy="open it")


class TestProcesses(RacingContract):
    name = "processes"

    def has_arrived(self, engine) -> bool:
        return not engine._inbox.empty()

    def test_reports_an_error_that_cannot_travel_by_its_words(self, engine) -> None:
        worker = self.joined(engine)
        self.submit(engine, worker, Failing(mine))
        error = self.wait(engine, AttemptFailed).error
        assert error.what == "Mine: mine"
        assert (error.cause, error.remedy, error.place.block) == ("a lock", "open it", 0)
        self.submit(engine, worker)
        self.wait(engine, AttemptFinished)

    def test_keeps_the_point_of_one_round_alone(self, engine) -> None:
        worker = self.joined(engine)
        for number in range(5):
            self.submit(engine, worker, point={"shift": np.array(float(number))})
            assert Sums.decode(self.wait(engine, AttemptFinished).payload)["sum"].size
            assert len(list(engine._directory.glob("round-*"))) == 1

    def test_leaves_nothing_behind(self) -> None:
        before = set(psutil.Process().children(recursive=True))
        files = set(scratch.directory().iterdir())
        fold(ColumnSums(), rows(), engine=self.name, workers=3)
        assert set(psutil.Process().children(recursive=True)) == before
        assert set(scratch.directory().iterdir()) == files

    @pytest.mark.parametrize(
        ("die", "says"),
        [
            (lambda: os._exit(3), "status 3"),
            (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
        ],
    )
    def test_holds_a_task_that_kills_its_workers_to_be_the_cause(self, die, says) -> None:
        lost: list[object] = []
        with pytest.raises(TaskFailed, match="held to be the cause") as caught:
            fold(Failing(die), rows(1), engine=self.name, listeners=(lost.append,))
        assert says in str(caught.value)
        assert len([event for event in lost if isinstance(event, WorkerLost)]) == 4

    def test_survives_a_kill_from_outside(self) -> None:
        killed: list[int] = []

        def kill_first(event: object) -> None:
            if isinstance(event, WorkerJoined) and not killed:
                killed.append(event.pid)
                os.kill(event.pid, signal.SIGKILL)

        expected = fold(ColumnSums(), rows(), engine="inline").encode()
        found = fold(ColumnSums(), rows(), engine=self.name, workers=2, listeners=(kill_first,))
        assert found.encode() == expected
        assert not psutil.pid_exists(killed[0])

    def test_says_why_workers_cannot_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        engine = ENGINES.load(self.name).open(Config.from_environment(1))
        try:
            with pytest.raises(WorkersUnavailable, match="died one after the other"):
                list(iter(lambda: engine.events(30.0), ()))
        finally:
            engine.close()

    def test_works_with_little_room_in_dev_shm(self) -> None:
        # Nothing of ours lies there, whatever its size.
        before = set(Path("/dev/shm").iterdir())
        fold(ColumnSums(), rows(64, 100_000), engine=self.name, workers=2)
        assert set(Path("/dev/shm").iterdir()) == before
