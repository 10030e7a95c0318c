"""Every engine of ours, held to the contract; and what is particular to one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from contracts.engines import ColumnSums, EngineContract, Failing, rows
from mr import fold
from mr.config import Config
from mr.errors import TaskFailed, WorkersUnavailable
from mr.events import WorkerJoined, WorkerLost
from mr.registry import ENGINES
from mr.storage import scratch


class TestInline(EngineContract):
    name = "inline"


class TestThreads(EngineContract):
    name = "threads"


class TestProcesses(EngineContract):
    name = "processes"

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
