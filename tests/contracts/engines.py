"""The contract of an engine, to be bound by each: ``class TestMine(EngineContract)``.

The table of faults says every way in which an attempt can end, and what the
engine must report for it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mr import Dataset, FoldJob, RunOptions, Sums, fold
from mr.config import Config
from mr.engine import Engine, Program, Round, Work
from mr.errors import (
    InjectedFault,
    MalformedRecord,
    MapFailed,
    NotFound,
    TaskFailed,
    UsageError,
)
from mr.events import (
    AttemptFailed,
    AttemptFinished,
    AttemptStarted,
    EngineEvent,
    Event,
    TaskRetried,
    WorkerJoined,
    WorkerLost,
)
from mr.registry import ENGINES
from mr.session import Session
from mr.task import Attempt, Fault, Task

PATIENCE = 30.0
"""Seconds that any single event may take on a loaded machine."""


def rows(count: int = 1000, width: int = 3, blocks: int = 16) -> Dataset:
    """Return random data in about so many blocks."""
    X = np.random.default_rng(1).normal(size=(count, width))
    return Dataset.from_arrays(X, block_size=max(X.nbytes // blocks, 1))


class ColumnSums(FoldJob):
    def map(self, block, point):
        shift = point.get("shift", 0.0)
        return {"sum": (block.X + shift).sum(axis=0), "rows": block.rows}


class Failing(FoldJob):
    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def map(self, block, point):
        return self.action()


def divide() -> float:
    return 1 / 0


def leave() -> None:
    sys.exit(3)


def malformed() -> None:
    raise MalformedRecord("not a number")


class Odd(Exception):
    """Cannot be pickled and built again."""

    def __init__(self, one, two):
        super().__init__("odd")
        self.held = threading.Lock()


def odd() -> None:
    raise Odd(1, 2)


def unsummable() -> object:
    return {"sum": object()}


def not_a_statistic() -> object:
    return 7


WAYS_TO_FAIL = [
    (divide, MapFailed, "ZeroDivisionError"),
    (leave, MapFailed, "SystemExit: 3"),
    (odd, MapFailed, "Odd: odd"),
    (unsummable, UsageError, "cannot be summed"),
    (not_a_statistic, UsageError, "map returned int"),
    (malformed, MalformedRecord, "not a number"),
]


class EngineContract:
    """What every engine does."""

    name: str
    workers = 2

    def options(self, workers: int) -> str:
        """Return options that give the engine so many workers, where ``--workers`` does not."""
        return ""

    def named(self, workers: int = 2) -> str:
        """Return the engine as it is asked for."""
        options = self.options(workers)
        return f"{self.name}:{options}" if options else self.name

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        self.kept: list[EngineEvent] = []
        config, options = Config.from_environment(self.workers), self.options(self.workers)
        engine = ENGINES.load(self.name).open(config, options)
        yield engine
        engine.close()

    def submit(
        self,
        engine: Engine,
        worker: str,
        job: FoldJob | None = None,
        fault: Fault | None = None,
        point: dict[str, np.ndarray] | None = None,
    ) -> Attempt:
        attempt = Attempt(Task(1, 0, 1), 0)
        round_ = Round(Program(job or ColumnSums(), rows()), point or {})
        engine.submit(Work(attempt, worker, round_, fault))
        return attempt

    def wait(self, engine: Engine, *kinds: type) -> EngineEvent:
        """Return the next event of these kinds; what comes with it is kept for later."""
        while True:
            for event in self.kept:
                if isinstance(event, kinds):
                    self.kept.remove(event)
                    return event
            events = engine.events(PATIENCE)
            assert events, f"no {kinds} came"
            self.kept += events

    def joined(self, engine: Engine) -> str:
        return self.wait(engine, WorkerJoined).worker

    # -- workers and attempts ---------------------------------------------------

    def test_announces_its_workers(self, engine: Engine) -> None:
        wanted = 1 if self.name == "inline" else self.workers
        names: set[str] = set()
        while len(names) < wanted:
            events = engine.events(PATIENCE)
            assert events
            names |= {event.worker for event in events if isinstance(event, WorkerJoined)}
        assert len(names) == wanted
        assert engine.events(0.0) == ()

    def test_reports_a_result_once(self, engine: Engine) -> None:
        attempt = self.submit(engine, self.joined(engine))
        event = self.wait(engine, AttemptFinished, AttemptFailed)
        assert isinstance(event, AttemptFinished)
        assert event.attempt == attempt
        found = Sums.decode(event.payload)
        assert found["sum"].tolist() == rows().read(0).features.sum(axis=0).tolist()
        assert not [e for e in engine.events(0.05) if isinstance(e, AttemptFinished)]

    @pytest.mark.parametrize(("action", "error", "says"), WAYS_TO_FAIL)
    def test_reports_an_error(self, engine: Engine, action, error, says) -> None:
        worker = self.joined(engine)
        self.submit(engine, worker, Failing(action))
        event = self.wait(engine, AttemptFailed)
        assert type(event.error) is error
        assert says in str(event.error)
        assert event.error.place.block == 0
        self.submit(engine, worker)  # the worker is as good as before
        assert self.wait(engine, AttemptFinished).worker == worker

    def test_shows_the_users_own_traceback(self, engine: Engine) -> None:
        self.submit(engine, self.joined(engine), Failing(divide))
        shown = self.wait(engine, AttemptFailed).error.traceback
        assert "in divide" in shown
        assert "execute" not in shown

    def test_carries_large_points_and_statistics(self, engine: Engine) -> None:
        wide = rows(64, 200_000)
        work = Round(Program(ColumnSums(), wide), {"shift": np.arange(200_000.0)})
        engine.submit(Work(Attempt(Task(1, 0, 1), 0), self.joined(engine), work))
        found = Sums.decode(self.wait(engine, AttemptFinished).payload)
        expected = (wide.read(0).features + np.arange(200_000.0)).sum(axis=0)
        assert found["sum"].tobytes() == expected.tobytes()

    def test_takes_jobs_that_cannot_be_imported(self, engine: Engine) -> None:
        class Local(FoldJob):
            def map(self, block, point):
                print("whatever a job prints is not a message")
                return {"one": 1}

        self.submit(engine, self.joined(engine), Local())
        assert Sums.decode(self.wait(engine, AttemptFinished).payload)["one"] == 1

    def test_a_block_may_have_no_term(self, engine: Engine) -> None:
        self.submit(engine, self.joined(engine), Failing(lambda: None))
        assert self.wait(engine, AttemptFinished).payload is None

    # -- faults -------------------------------------------------------------------

    def test_raises_an_injected_error(self, engine: Engine) -> None:
        self.submit(engine, self.joined(engine), fault=Fault.RAISE)
        assert isinstance(self.wait(engine, AttemptFailed).error, InjectedFault)

    def test_replaces_a_killed_worker(self, engine: Engine) -> None:
        worker = self.joined(engine)
        self.submit(engine, worker, fault=Fault.KILL)
        assert self.wait(engine, WorkerLost).worker == worker
        self.submit(engine, self.joined(engine))
        self.wait(engine, AttemptFinished)

    def test_cancels_a_hanging_attempt(self, engine: Engine) -> None:
        worker = self.joined(engine)
        attempt = self.submit(engine, worker, fault=Fault.HANG)
        assert not [e for e in engine.events(0.05) if isinstance(e, AttemptFinished)]
        engine.cancel(attempt)
        assert self.wait(engine, WorkerLost, AttemptFailed).worker == worker
        self.submit(engine, self.joined(engine))
        assert self.wait(engine, AttemptFinished).worker != worker

    def test_closes_twice(self, engine: Engine) -> None:
        self.joined(engine)
        engine.close()
        engine.close()

    # -- whole passes ---------------------------------------------------------------

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("faults", [None, "5:0.5:raise,kill", "9:0.2:hang"])
    def test_gives_the_same_bits(self, workers: int, faults: str | None) -> None:
        events: list[Event] = []
        dataset = rows(10_007, 5)
        expected = fold(ColumnSums(), dataset, engine="inline").encode()
        found = fold(
            ColumnSums(),
            dataset,
            engine=self.named(workers),
            workers=workers,
            faults=faults,
            task_timeout=2.0 if faults and "hang" in faults else None,
            listeners=(events.append,),
        )
        assert found.encode() == expected
        starts = [event for event in events if isinstance(event, AttemptStarted)]
        if faults:  # without, a slow machine may copy a straggler, or not
            assert any(event.attempt.number > 0 for event in starts)

    def test_gives_up_after_four_attempts(self) -> None:
        with pytest.raises(TaskFailed, match="each of its 4 attempts") as caught:
            fold(Failing(divide), rows(), engine=self.named(), workers=2)
        assert str(caught.value).startswith("Traceback")
        assert "in divide" in str(caught.value)

    def test_gives_up_at_once_on_what_no_retry_mends(self) -> None:
        events: list[Event] = []
        with pytest.raises(MalformedRecord):
            fold(Failing(malformed), rows(), engine=self.named(), listeners=(events.append,))
        assert not [event for event in events if isinstance(event, TaskRetried)]

    def test_keeps_its_workers_over_passes(self) -> None:
        joined: list[Event] = []
        dataset = rows()
        options = RunOptions(engine=self.named(), workers=2, listeners=(joined.append,))
        with Session.open(dataset, options) as session:
            for _ in range(5):
                session.run_pass(ColumnSums(), dataset)
        assert len([e for e in joined if isinstance(e, WorkerJoined)]) <= 2

    def test_names_a_file_that_vanished(self, tmp_path) -> None:
        path = tmp_path / "gone.libsvm"
        path.write_text("1 1:2.0\n0 1:3.0\n")
        dataset = Dataset(path)
        path.unlink()
        with pytest.raises(NotFound, match=r"gone\.libsvm"):
            fold(ColumnSums(), dataset, engine=self.named())
