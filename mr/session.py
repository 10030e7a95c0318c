"""`Session`: an engine with its workers up, a ledger, and the passes made so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mr.config import Config
from mr.drive import Driver
from mr.engine import Engine, Program, Round
from mr.errors import EmptyDataset, UsageError
from mr.events import Event, PassFinished, PassStarted
from mr.job import FoldJob
from mr.ledger import Ledger, MemoryLedger
from mr.reduce import cover
from mr.registry import ENGINES, WRAPPERS
from mr.retry import RetryPolicy
from mr.solver import Point
from mr.statistic import Statistic
from mr.storage.dataset import Dataset
from mr.survey import SURVEY_VERSION, Facts, Survey, SurveyJob, facts
from mr.task import Task

Listener = Callable[[Event], None]

TASKS_PER_WORKER = 4
"""Enough to even out unequal blocks, few enough to keep the driver out of the way."""
INLINE_BELOW = 4 << 20
THREADS_BELOW = 2 << 30


@dataclass(frozen=True)
class RunOptions:
    """How a job is carried out; nothing here changes its result.

    Parameters
    ----------
    engine : str
        A registered engine, or ``auto``: by the size of the data and whether the
        job's kernels release the interpreter's lock.
    workers : int, optional
        By default the number of processors.
    faults : str, optional
        ``SEED[:RATE[:KINDS]]``: inject seeded faults; kinds are raise, hang, kill.
    task_timeout : float, optional
        Seconds that an attempt may run; by default as long as it takes, or
        10 where faults are injected, since some hang.
    run : str, optional
        A directory on any storage for the run's ledger; a run found there is resumed.
    checkpoint_interval : float
        Seconds between checkpoints; 0 makes one after every pass.
    call : mapping, optional
        JSON values that the plan keeps for the caller, to make the same call again.
    listeners : tuple of callable
        Told of every event, after the ledger was.
    """

    engine: str = "auto"
    workers: int | None = None
    faults: str | None = None
    task_timeout: float | None = None
    run: str | None = None
    checkpoint_interval: float = 1.0
    call: Mapping[str, Any] | None = None
    listeners: tuple[Listener, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything starts."""
        if self.engine != "auto" and self.engine not in ENGINES.entries():
            names = ", ".join(["auto", *sorted(ENGINES.entries())])
            raise UsageError(f"There is no engine {self.engine!r}", remedy=f"use one of {names}")
        if self.task_timeout is not None and self.task_timeout <= 0:
            raise UsageError(f"A time limit of {self.task_timeout} s is not positive")

    @property
    def policy(self) -> RetryPolicy:
        """How tasks are retried."""
        hanging = 10.0 if self.faults else None
        return replace(RetryPolicy(), timeout=self.task_timeout or hanging)

    def engine_for(self, dataset: Dataset, workers: int, *, releases_lock: bool) -> str:
        """Return the engine that ``auto`` stands for."""
        if self.engine != "auto":
            return self.engine
        size = dataset.source.nbytes
        if size < INLINE_BELOW or workers == 1 or len(dataset.blocks) == 1:
            return "inline"
        return "threads" if releases_lock and size < THREADS_BELOW else "processes"


@dataclass
class Session:
    """Runs jobs over a dataset, one pass after the other, on workers that stay up.

    Attributes
    ----------
    engine : str
        Name of the engine.
    passes : int
        Reads of the data so far, the survey left out.
    retries : int
        Attempts beyond the first of each task.
    """

    driver: Driver
    config: Config
    ledger: Ledger
    listeners: Sequence[Listener] = ()
    passes: int = 0
    _programs: dict[tuple[int, int], Program] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(
        cls,
        dataset: Dataset,
        options: RunOptions,
        *,
        releases_lock: bool = False,
        ledger: Ledger | None = None,
    ) -> Iterator[Session]:
        """Start an engine for jobs over a dataset, and close it whatever happens.

        BLAS runs on one thread meanwhile, here as on workers: with more, the
        order of its sums would depend on the machine.
        """
        config = Config.from_environment(options.workers)
        name = options.engine_for(dataset, config.workers, releases_lock=releases_lock)
        kept = ledger or MemoryLedger()
        with threadpool_limits(1):
            engine = _open_engine(name, config, options)
            try:
                session = cls(Driver(engine, options.policy, lambda _: None), config, kept)
                session.listeners = options.listeners
                session.driver.emit = session.emit
                yield session
            finally:
                engine.close()
                kept.flush()

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.driver.engine.name

    def emit(self, event: Event) -> None:
        """Write an event to the ledger, then tell the listeners."""
        self.ledger.record(event)
        for listener in self.listeners:
            listener(event)

    def run_pass(
        self,
        job: FoldJob,
        dataset: Dataset,
        point: Point | None = None,
        *,
        number: int = 0,
        purpose: str = "pass",
    ) -> Statistic | None:
        """Read all blocks once and return the merged statistic.

        Parameters
        ----------
        job : FoldJob
        dataset : Dataset
        point : mapping of str to ndarray, optional
        number : int
            Of the pass, counted over the run; part of the attempts' identity.
        purpose : str
            For people.

        Raises
        ------
        EmptyDataset
            If there are no blocks.
        """
        if not dataset.blocks:
            raise EmptyDataset("There are no records in the dataset", place=dataset.where)
        nodes = cover(len(dataset.blocks), self.config.workers * TASKS_PER_WORKER)
        tasks = [Task(number, low, high) for low, high in nodes]
        self.emit(PassStarted(number, purpose, len(tasks)))
        started = self.driver.clock()
        round_ = Round(self._program(job, dataset), _read_only(point or {}))
        total = self.driver.run_pass(round_, tasks)
        self.emit(PassFinished(number, self.driver.clock() - started))
        return total

    def survey(self, dataset: Dataset) -> Facts:
        """Return the schema of all of a dataset, from the ledger, the cache, or a pass over it.

        Raises
        ------
        EmptyDataset
            If there are no records.
        DataError
            If a record cannot be read, or contradicts another.
        """
        whole = dataset.whole()
        key = f"survey-{SURVEY_VERSION}-{whole.digest()}"
        cache = self.config.cache()
        held = self.ledger.load("schema") or cache.get(key)
        if held is None:
            found = self.run_pass(SurveyJob(), whole, number=0, purpose="survey")
            arrays = found.arrays() if found else {}
            self.ledger.save("schema", {}, arrays)
            cache.put(key, {}, arrays)
        else:
            arrays = held[1]
        return facts(whole, Survey(arrays) if arrays else None)

    def _program(self, job: FoldJob, dataset: Dataset) -> Program:
        key = (id(job), id(dataset))
        if key not in self._programs:
            job.prepare()
            self._programs[key] = Program(job, dataset)
        return self._programs[key]


def _read_only(point: Point) -> Point:
    """Return views that a map in this process cannot write to, as on workers."""
    views = {name: np.asarray(array).view() for name, array in point.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def _open_engine(name: str, config: Config, options: RunOptions) -> Engine:
    engine: Engine = ENGINES.load(name).open(config)
    if options.faults is None:
        return engine
    try:
        faulty: Engine = WRAPPERS.load("faults")(engine, options.faults, options.policy.attempts)
    except BaseException:
        engine.close()
        raise
    return faulty
