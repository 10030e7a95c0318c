"""Predictions: the real scheduler and driver over priced passes on a virtual cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from mr.cluster.simulated.engine import AWAY, SimulatedEngine
from mr.cluster.simulated.priced import AtCost, Imagined, Priced
from mr.cluster.simulated.spec import ClusterSpec
from mr.cluster.simulated.world import World
from mr.config import Config
from mr.drive import Driver
from mr.engine import Program, Round
from mr.events import AttemptFinished, AttemptStarted, Event, WorkerJoined
from mr.planning import ROUNDS, Costs, PassCost, PassPlan, Plan
from mr.recollection import Recollection
from mr.reduce import cover
from mr.session import TASKS_PER_WORKER
from mr.storage.dataset import Dataset
from mr.task import Task

STRUCK_ROUNDS = 3
"""Rounds that are simulated from a machine's loss on; what is away longer is reckoned."""
PRECISION = 0.005
"""Share of a pass' time by which the driver of a large cluster may hear late, for fewer turns."""
PRECISE = 200
"""Workers up to which it hears at once."""
MOST_SPANS = 400_000


def predict(
    costs: Costs,
    sizes: tuple[int, ...],
    cluster: str,
    *,
    rounds: int,
    base: float = 0.0,
    failures: bool = False,
    picture: bool = False,
) -> Plan:
    """Simulate the passes of a run, one of its later rounds standing for all of them.

    Parameters
    ----------
    costs : Costs
    sizes : tuple of int
        Bytes of each block on storage.
    cluster : str
        Options of a `ClusterSpec`.
    rounds : int
        Rounds in all.
    base : float
        Bytes that a worker takes before it has any work.
    failures : bool
        Whether to find out what a lost machine adds.
    picture : bool
        Whether to keep what a picture needs.
    """
    stage = Stage(replace(ClusterSpec.parse(cluster), driver=costs.handling), costs, sizes)
    once = costs.passes if rounds > 1 else costs.passes[:-1] or costs.passes
    watched = stage.events if picture else None
    passes = tuple(stage.make(cost, watched) for cost in once)
    held = stage.world.totals.most_cached
    added = stage.struck(costs.round, passes[-1].seconds) if failures else None
    between = sum(cost.between for cost in once[:-1])
    simulated = sum(cost.purpose in ROUNDS for cost in once)
    repeats = max(1, rounds - simulated + 1)
    return Plan(
        passes=passes,
        rounds=rounds,
        repeats=repeats,
        start=stage.started,
        between=between + repeats * once[-1].between,
        workers=stage.engine.slots,
        memory_per_machine=held,
        memory_per_worker=base + _working(costs, max(sizes)),
        failure_seconds=added,
        spans=tuple(stage.events.spans),
    )


def repredict(costs: Costs, sizes: tuple[int, ...], cluster: str, *, picture: bool = False) -> Plan:
    """Simulate each pass of a run that was made, at what its attempts took."""
    stage = Stage(ClusterSpec.parse(cluster), costs, sizes)
    watched = stage.events if picture else None
    passes = tuple(stage.make(cost, watched) for cost in costs.passes)
    return Plan(
        passes=passes,
        rounds=len(passes),
        repeats=1,
        start=stage.started,
        between=sum(cost.between for cost in costs.passes),
        workers=stage.engine.slots,
        memory_per_machine=stage.world.totals.most_cached,
        memory_per_worker=_working(costs, max(sizes)),
        spans=tuple(stage.events.spans),
    )


def _working(costs: Costs, block: int) -> float:
    """Return the bytes of a block as it is read and decoded, of a point, and of two statistics."""
    point = max(cost.point_bytes for cost in costs.passes)
    returned = max(cost.returned for cost in costs.passes)
    return block * (1 + costs.held) + point + 2 * returned


@dataclass
class Timeline:
    """A listener that keeps who ran what from when to when.

    Parameters
    ----------
    world : World
    """

    world: World
    spans: list[tuple[int, int, float, float]] = field(default_factory=list)
    _begun: dict[object, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take down an attempt's beginning or end."""
        match event:
            case AttemptStarted(attempt=attempt):
                self._begun[attempt] = self.world.now
            case AttemptFinished(attempt=attempt, worker=worker) if attempt in self._begun:
                machine = int(worker.partition(".")[0].removeprefix("m"))
                began, number = self._begun.pop(attempt), attempt.task.pass_number
                if len(self.spans) < MOST_SPANS:
                    self.spans.append((machine, number, began, self.world.now))


class Stage:
    """A virtual cluster with a driver before it, its workers up.

    Parameters
    ----------
    spec : ClusterSpec
    costs : Costs
    sizes : tuple of int
        Bytes of each block.
    """

    def __init__(self, spec: ClusterSpec, costs: Costs, sizes: tuple[int, ...]) -> None:
        self.engine = SimulatedEngine(Config(workers=1), spec, load=AtCost(costs.held))
        self.world = self.engine.world
        self.world.gather = PRECISION if self.engine.slots > PRECISE else 0.0
        self.events = Timeline(self.world)
        self.dataset = Dataset.of(Imagined(sizes, spec.machines, spec.replicas))
        self._watch: Timeline | None = None
        self._passes = 0
        self._driver = Driver(self.engine, self._pass_on, Recollection())
        present = self._driver.workers
        while len(present) < self.engine.slots:
            joined = (e for e in self.engine.events(None) if isinstance(e, WorkerJoined))
            present.update((event.worker, event) for event in joined)
        self.started = self.world.now

    def make(self, cost: PassCost, watch: Timeline | None = None) -> PassPlan:
        """Make a pass, and say what it took."""
        self._watch = watch
        began, before = self.world.now, _Meter.read(self.world)
        self._passes += 1
        nodes = cover(len(self.dataset.blocks), self.engine.slots * TASKS_PER_WORKER)
        tasks = [Task(self._passes, low, high) for low, high in nodes]
        self.world.began = self.world.now
        self._driver.run_pass(Round(Program(Priced(cost), self.dataset), {}), tasks)
        seconds = self.world.now - began
        return before.until(_Meter.read(self.world), cost.purpose, seconds, self.engine.slots)

    def struck(self, cost: PassCost, calm: float) -> float:
        """Return the seconds that the loss of a machine in the middle of a round adds.

        Rounds are slower until the machine is back: those that are not simulated are taken
        to be as slow as the last that is.
        """
        began, machine = self.world.now, self.world.machines[0]
        self.world.after(calm / 2, lambda: self.world.lose(machine, AWAY))
        excess = [self.make(cost).seconds - calm for _ in range(STRUCK_ROUNDS)]
        left = max(0.0, began + calm / 2 + AWAY - self.world.now)
        return max(0.0, sum(excess) + max(0.0, excess[-1]) * left / max(calm, 1e-9))

    def _pass_on(self, event: Event) -> None:
        if self._watch is not None:
            self._watch(event)


@dataclass(frozen=True)
class _Meter:
    """What has been used so far."""

    totals: dict[str, float]
    disks: list[float]
    links: list[float]
    inward: float
    outward: float

    @classmethod
    def read(cls, world: World) -> _Meter:
        machines = world.machines
        disks = [machine.disk.busy for machine in machines]
        links = [machine.link.busy for machine in machines]
        return cls(asdict(world.totals), disks, links, world.inward.busy, world.outward.busy)

    def until(self, other: _Meter, purpose: str, seconds: float, cores: int) -> PassPlan:
        def more(name: str) -> float:
            return other.totals[name] - self.totals[name]

        def most(before: list[float], after: list[float]) -> float:
            return max(b - a for a, b in zip(before, after, strict=True))

        busy = {
            "compute": more("compute_seconds") / cores,
            "disk": most(self.disks, other.disks),
            "network": most(self.links, other.links),
            "driver link": max(other.inward - self.inward, other.outward - self.outward),
            "driver": more("driver_seconds"),
        }
        return PassPlan(
            purpose,
            seconds,
            # What is begun is booked whole, and may end in the next pass.
            {name: min(1.0, share / max(seconds, 1e-9)) for name, share in busy.items()},
            more("disk_bytes"),
            more("network_bytes"),
            more("memory_bytes"),
        )
