"""`Session`: an engine with its workers up, a ledger, and the passes made so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mr.badblocks import BadBlocks, Skipped
from mr.config import Config
from mr.drive import Driver
from mr.engine import Engine, Program, Round
from mr.errors import UsageError
from mr.events import Event, PassFinished, PassStarted
from mr.job import FoldJob
from mr.ledger import Ledger, MemoryLedger
from mr.policies import Policies
from mr.recollection import Recollection
from mr.reduce import cover
from mr.registry import ENGINES, WRAPPERS
from mr.retry import RetryPolicy
from mr.solver import Point
from mr.statistic import Statistic
from mr.storage.dataset import Dataset
from mr.survey import Facts, Survey, SurveyJob, facts, no_records, survey_key
from mr.task import Task

Listener = Callable[[Event], None]
Observer = Callable[[str, Round], None]

TASKS_PER_WORKER = 4
"""Enough to even out unequal blocks, few enough to keep the driver out of the way."""
INLINE_BELOW = 4 << 20
THREADS_BELOW = 2 << 30


@dataclass(frozen=True)
class RunOptions:
    """How a job is carried out.

    Parameters
    ----------
    engine : str
        A registered engine, with its options after a colon if it has any, or ``auto``:
        by the size of the data and whether kernels release the interpreter's lock.
    workers : int, optional
        By default the number of processors.
    faults : str, optional
        ``SEED[:RATE[:KINDS]]``: inject seeded faults; kinds are raise, hang, kill.
    task_timeout : float, optional
        Seconds that an attempt may run; by default as long as it takes, or
        10 where faults are injected, since some hang.
    on_bad_block : str
        ``fail``, or ``skip:MAX``: leave out up to so many blocks that cannot be read as
        data. The one field that may change a result; what was left out is accounted for.
    run : str, optional
        A directory on any storage for the run's ledger; a run found there is resumed.
    checkpoint_interval : float
        Seconds between checkpoints; 0 makes one after every pass.
    call : mapping, optional
        JSON values that the plan keeps for the caller, to make the same call again.
    listeners : tuple of callable
        Told of every event, after the ledger was.
    observer : callable, optional
        Shown purpose and `Round` of each pass before it is made; what it raises ends the run.
    """

    engine: str = "auto"
    workers: int | None = None
    faults: str | None = None
    task_timeout: float | None = None
    on_bad_block: str = "fail"
    run: str | None = None
    checkpoint_interval: float = 1.0
    call: Mapping[str, Any] | None = None
    listeners: tuple[Listener, ...] = ()
    observer: Observer | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything starts."""
        name = self.engine.partition(":")[0]
        if self.engine != "auto" and name not in ENGINES.entries():
            names = ", ".join(["auto", *sorted(ENGINES.entries())])
            raise UsageError(f"There is no engine {self.engine!r}", remedy=f"use one of {names}")
        if self.task_timeout is not None and self.task_timeout <= 0:
            raise UsageError(f"A time limit of {self.task_timeout} s is not positive")
        BadBlocks.parse(self.on_bad_block)

    @property
    def policies(self) -> Policies:
        """What the scheduler decides by."""
        hanging = 10.0 if self.faults else None
        return Policies(
            retry=RetryPolicy(timeout=self.task_timeout or hanging),
            bad_blocks=BadBlocks.parse(self.on_bad_block),
        )

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

    ``emit`` writes an event to the ledger, then tells the listeners.

    Parameters
    ----------
    workers : Engine
    config : Config
    ledger : Ledger
    listeners : sequence of callable
        Told of every event.
    policies : Policies
    observer : callable, optional
        Shown purpose and round of each pass before it is made.
    """

    workers: Engine
    config: Config
    ledger: Ledger
    listeners: Sequence[Listener] = ()
    policies: Policies = field(default_factory=Policies)
    observer: Observer | None = None
    _programs: dict[tuple[int, int], Program] = field(default_factory=dict)
    _passes: int = 0

    def __post_init__(self) -> None:
        """Put a driver before the engine."""
        ledger, listeners = self.ledger, self.listeners

        def emit(event: Event) -> None:
            ledger.record(event)
            for listener in listeners:
                listener(event)

        # Numbers go on from those of the run's drivers before: an attempt's is of one alone.
        self._passes = ledger.begun()
        self.emit = emit  # not a method: a driver that held one would keep the session alive
        self._driver = Driver(
            self.workers, emit, Recollection(self.policies, vital=self.workers.vital)
        )

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
                session = cls(
                    engine, config, kept, options.listeners, options.policies, options.observer
                )
                yield session
            finally:
                engine.close()
                kept.flush()

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.workers.name

    @property
    def skipped(self) -> Skipped:
        """The blocks that were left out so far, and why."""
        return self._driver.memory.skipped

    def run_pass(
        self,
        job: FoldJob,
        dataset: Dataset,
        point: Point | None = None,
        purpose: str = "pass",
    ) -> Statistic | None:
        """Read all blocks once and return the merged statistic.

        Parameters
        ----------
        job : FoldJob
        dataset : Dataset
        point : mapping of str to ndarray, optional
        purpose : str
            For people.

        Raises
        ------
        EmptyDataset
            If there are no blocks.
        """
        if not dataset.blocks:
            raise no_records(dataset)
        round_ = Round(self._program(job, dataset), _read_only(point or {}))
        if self.observer is not None:
            self.observer(purpose, round_)
        self._passes += 1  # its number is part of the attempts' identity: late ones are told by it
        number = self._passes
        nodes = cover(len(dataset.blocks), self.workers.slots * TASKS_PER_WORKER)
        tasks = [Task(number, low, high) for low, high in nodes]
        self.ledger.hold(number, round_.point)
        nbytes = sum(array.nbytes for array in round_.point.values())
        self.emit(PassStarted(number, purpose, len(tasks), nbytes))
        started = self.workers.clock()
        total = self._driver.run_pass(round_, tasks)
        self.emit(PassFinished(number, self.workers.clock() - started))
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
        key = survey_key(whole)
        cache = self.config.cache()
        held = self.ledger.load("schema") or cache.get(key)
        if held is None:
            found = self.run_pass(SurveyJob(), whole, purpose="survey")
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
    kind, _, settings = name.partition(":")
    engine: Engine = ENGINES.load(kind).open(config, settings)
    if options.faults is None:
        return engine
    try:
        attempts = options.policies.retry.attempts
        faulty: Engine = WRAPPERS.load("faults")(engine, options.faults, attempts)
    except BaseException:
        engine.close()
        raise
    return faulty
