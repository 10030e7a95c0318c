"""`SimulatedEngine`: a virtual cluster as an engine.

Attempts run for real, in this process, when their virtual time comes; for plans they only cost
what they would, which is the business of their `Load`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mr.cluster.simulated.load import Executed, Load
from mr.cluster.simulated.spec import ClusterSpec
from mr.cluster.simulated.storm import Blow, Storm
from mr.cluster.simulated.world import Machine, Worker, World
from mr.config import Config
from mr.engine import Work
from mr.errors import ImpossibleTransition
from mr.events import EngineEvent
from mr.task import Attempt, Fault, Task, injected

MOST_TURNS = 1000
"""Times that the driver may ask for news in vain, at one and the same time."""
SLOWER = 10.0
"""Times longer that a slow machine takes."""
AWAY = 30.0
"""Seconds that a lost machine is away, or a slow one slow."""


class DriverKilled(BaseException):
    """The driver dies here and now; nothing it still does counts."""


@dataclass(frozen=True, slots=True)
class Toll:
    """What befell a task, to be held against the budget of its retries."""

    failures: int
    losses: int


class SimulatedEngine:
    """A virtual cluster as an engine.

    Parameters
    ----------
    config : Config
    spec : ClusterSpec
    storm : Storm, optional
    load : Load, optional
        What attempts cost and return; by default they run.
    """

    name = "simulated"
    vital = False

    def __init__(
        self,
        config: Config,
        spec: ClusterSpec,
        storm: Storm | None = None,
        load: Load | None = None,
    ) -> None:
        self.world = World(spec)
        self.slots = spec.machines * spec.cores
        self._storm = storm or Storm.calm()
        self._load = load or Executed(config)
        self._submitted = 0
        self._turns = 0
        self._deaf: set[Attempt] = set()
        self._where: dict[Attempt, str] = {}
        self._failures: Counter[Task] = Counter()
        self._losses: Counter[Task] = Counter()

    @classmethod
    def open(cls, config: Config, options: str = "") -> Self:
        """Build the cluster that ``machines=100,cores=4,…`` describes."""
        return cls(config, ClusterSpec.parse(options))

    def clock(self) -> float:
        """Return the virtual time."""
        return self.world.now

    def submit(self, work: Work) -> None:
        """Send an attempt to its worker."""
        blow = self._storm.blows.get(self._submitted)
        self._submitted += 1
        if blow is Blow.DRIVER:
            raise DriverKilled
        world = self.world
        world.after(world.spec.latency, lambda: self._arrive(work, blow))

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Let virtual time pass until there is news.

        Raises
        ------
        ImpossibleTransition
            If nothing will ever happen again and the driver waits for it, or if the
            driver asks again and again without letting time pass.
        """
        world, before = self.world, self.world.now
        mail = world.until_news(None if timeout is None else world.now + timeout)
        if not mail and timeout is None:
            raise ImpossibleTransition(
                f"The driver waits at {world.now:.3f} s, and nothing is left to happen"
            )
        self._turns = 0 if mail or world.now > before else self._turns + 1
        if self._turns > MOST_TURNS:
            raise ImpossibleTransition(f"The driver turns in circles at {world.now:.3f} s")
        return tuple(mail)

    def cancel(self, attempt: Attempt) -> None:
        """Send for an attempt's worker to be stopped; the message may come late."""
        world = self.world
        late = 5.0 if attempt in self._deaf else 0.0
        world.after(world.spec.latency + late, lambda: self._stop(attempt))

    def close(self) -> None:
        """Let the world end."""
        self.world.workers.clear()

    def toll(self, task: Task) -> Toll:
        """Return what has befallen a task."""
        return Toll(self._failures[task], self._losses[task])

    # -- on the machines --------------------------------------------------------

    def _arrive(self, work: Work, blow: Blow | None) -> None:
        worker = self.world.workers.get(work.worker)
        if worker is None:  # it died while the message was under way
            self._losses[work.attempt.task] += 1
            return
        worker.attempt = work.attempt
        self._where[work.attempt] = work.worker
        seconds = self._load.seconds(work, worker.machine, self.world)
        self.world.totals.busy_seconds += seconds
        if work.fault is not None:
            blow = {Fault.RAISE: Blow.RAISE, Fault.HANG: Blow.HANG, Fault.KILL: Blow.KILL}[
                work.fault
            ]
        if blow is Blow.DEAF:
            self._deaf.add(work.attempt)
        if blow is Blow.SLOW:
            seconds *= SLOWER
            self._slow(worker.machine)
        if blow in (Blow.KILL, Blow.MACHINE, Blow.RACK):
            self.world.after(seconds / 2, lambda: self._strike(worker, blow))
        if blow is not Blow.HANG:
            self.world.after(seconds, lambda: self._finish(work, worker, blow))

    def _finish(self, work: Work, worker: Worker, blow: Blow | None) -> None:
        if not worker.alive or worker.attempt != work.attempt:
            return
        worker.attempt = None
        self._where.pop(work.attempt, None)

        def strike() -> None:
            self._failures[work.attempt.task] += 1
            raise injected(work.attempt)

        event, nbytes = self._load.run(work, strike if blow is Blow.RAISE else None)
        self.world.send(event, nbytes, 8.0 if blow is Blow.DELAY else 0.0)
        if blow is Blow.DUPLICATE:
            self.world.send(event, nbytes, 3.0 * self.world.chance.random())

    def _strike(self, worker: Worker, blow: Blow) -> None:
        machine = worker.machine
        if blow is Blow.KILL:
            self._mourn(worker)
            self.world.kill(worker, "killed")
            return
        rack = [other for other in self.world.machines if other.rack == machine.rack]
        for lost in rack if blow is Blow.RACK else [machine]:
            for each in lost.workers.values():
                self._mourn(each)
            self.world.lose(lost, AWAY)

    def _slow(self, machine: Machine) -> None:
        machine.slow = SLOWER

        def recover() -> None:
            machine.slow = 1.0

        self.world.after(AWAY, recover)

    def _stop(self, attempt: Attempt) -> None:
        worker = self.world.workers.get(self._where.pop(attempt, ""))
        if worker is not None and worker.attempt == attempt:
            self.world.kill(worker, "it was cancelled")

    def _mourn(self, worker: Worker) -> None:
        if worker.alive and worker.attempt is not None:
            self._losses[worker.attempt.task] += 1
