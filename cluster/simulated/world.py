"""`World`: machines, workers and messages in virtual time. No clock, no thread, no sleep."""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mr.cluster.simulated.spec import ClusterSpec
from mr.events import EngineEvent, WorkerJoined, WorkerLost
from mr.task import Attempt

Action = Callable[[], None]


@dataclass(slots=True)
class Worker:
    """A core of a machine, under a name that is never given twice."""

    name: str
    machine: Machine
    attempt: Attempt | None = None
    alive: bool = True


@dataclass(slots=True)
class Line:
    """A disk or a link: it serves one request after the other.

    Parameters
    ----------
    rate : float
        Bytes a second.
    free : float
        When it has served all that it was asked for.
    busy, nbytes : float
        Seconds that it was at work, and what it carried.
    """

    rate: float
    free: float = 0.0
    busy: float = 0.0
    nbytes: float = 0.0

    def serve(self, nbytes: float, now: float) -> float:
        """Take a request, and return the seconds until it is served."""
        seconds = nbytes / self.rate
        self.free = max(self.free, now) + seconds
        self.busy += seconds
        self.nbytes += nbytes
        return self.free - now


@dataclass(slots=True)
class Machine:
    """A machine: its rack, how slow it is, its lines, and which blocks it has.

    ``cached`` holds the blocks in memory, with their bytes; ``kept`` those whose decoded
    form is on its disk.
    """

    index: int
    rack: int
    disk: Line
    link: Line
    slow: float = 1.0
    up: bool = True
    workers: dict[str, Worker] = field(default_factory=dict)
    cached: OrderedDict[int, float] = field(default_factory=OrderedDict)
    kept: set[int] = field(default_factory=set)
    held: float = 0.0
    round: object = None
    round_at: float = 0.0

    @property
    def name(self) -> str:
        """How it is called."""
        return f"m{self.index}"

    def forget(self) -> None:
        """Lose what is in memory, and what was decoded."""
        self.cached.clear()
        self.kept.clear()
        self.held = 0.0
        self.round = None


@dataclass
class Totals:
    """What a simulation adds up, for plans.

    Attributes
    ----------
    disk_bytes, network_bytes, memory_bytes : float
        Read from disks, sent over links, found in memory.
    busy_seconds, compute_seconds : float
        Of cores: with an attempt, and at its arithmetic.
    driver_seconds : float
        That the driver was at work.
    most_cached : float
        The most that one machine had in memory of blocks.
    """

    disk_bytes: float = 0.0
    network_bytes: float = 0.0
    memory_bytes: float = 0.0
    busy_seconds: float = 0.0
    compute_seconds: float = 0.0
    driver_seconds: float = 0.0
    most_cached: float = 0.0


class World:
    """A cluster that lives as long as actions are due.

    Parameters
    ----------
    spec : ClusterSpec

    Attributes
    ----------
    now : float
        The virtual time.
    gather : float
        Share of the time since ``began`` for which the driver lets mail gather after the last:
        a large cluster is then simulated in fewer turns, at the price of that precision.
    began : float
        When the pass began.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self.now = 0.0
        self.gather = self.began = 0.0
        self.totals = Totals()
        self.chance = random.Random(spec.seed)
        self.machines = [
            Machine(i, i % spec.racks, Line(spec.disk), Line(spec.network))
            for i in range(spec.machines)
        ]
        self.workers: dict[str, Worker] = {}
        self.inward, self.outward = Line(spec.network), Line(spec.network)  # the driver's
        self._due: list[tuple[float, int, Action]] = []
        self._inbox: list[EngineEvent] = []
        self._count = 0
        self._named = 0
        self._driver_free = 0.0
        for machine in self.machines:
            for _ in range(spec.cores):
                self.after(spec.start, partial(self._join, machine))

    # -- time -------------------------------------------------------------------

    def after(self, seconds: float, action: Action) -> None:
        """Let something happen later."""
        self._count += 1  # equal times keep their order
        heapq.heappush(self._due, (self.now + seconds, self._count, action))

    def until_news(self, latest: float | None) -> list[EngineEvent]:
        """Let time pass until the driver has mail and time for it, at most up to a time.

        Mail that comes while the driver is still at work on the last comes to it together.
        ``None`` waits for ever: where nothing is due any more, the mail is empty.
        """
        while self._due and (latest is None or self._due[0][0] <= latest):
            if self._inbox and self._due[0][0] > self._driver_free:
                break
            self.now, _, action = heapq.heappop(self._due)
            action()
        if self._inbox:
            self.now = max(self.now, self._driver_free)
        elif latest is not None:
            self.now = max(self.now, latest)
        mail, self._inbox = self._inbox, []
        seconds = self.spec.driver * len(mail)
        self.totals.driver_seconds += seconds
        self._driver_free = self.now + max(seconds, self.gather * (self.now - self.began))
        return mail

    def send(self, event: EngineEvent, nbytes: int = 0, late: float = 0.0) -> None:
        """Send the driver a message; its link takes one after the other."""
        seconds = self.spec.latency + late
        if nbytes:
            self.totals.network_bytes += nbytes
            seconds += self.inward.serve(nbytes, self.now)
        self.after(seconds, lambda: self._inbox.append(event))

    # -- life and death ---------------------------------------------------------

    def kill(self, worker: Worker, reason: str, notice: float = 0.0) -> None:
        """End a worker; its machine starts another if it is up."""
        if not worker.alive:
            return
        worker.alive = False
        worker.attempt = None
        del worker.machine.workers[worker.name]
        del self.workers[worker.name]
        self.send(WorkerLost(worker.name, reason), late=notice)
        machine = worker.machine
        if machine.up:
            self.after(self.spec.start, lambda: self._join(machine))

    def lose(self, machine: Machine, seconds: float) -> None:
        """Take a machine away, with its workers and what it has in memory, for a while."""
        if not machine.up:
            return
        machine.up = False
        machine.forget()
        for worker in list(machine.workers.values()):
            self.kill(worker, f"machine {machine.name} is lost", self.spec.notice)
        self.after(seconds, lambda: self._return(machine))

    def _return(self, machine: Machine) -> None:
        machine.up = True
        for _ in range(self.spec.cores):
            self._join(machine)

    def _join(self, machine: Machine) -> None:
        if not machine.up or len(machine.workers) >= self.spec.cores:
            return
        worker = Worker(f"{machine.name}.{self._named}", machine)
        self._named += 1
        machine.workers[worker.name] = worker
        self.workers[worker.name] = worker
        self.send(WorkerJoined(worker.name, self._named, machine.name))

    # -- costs ------------------------------------------------------------------

    def holds(self, machine: Machine, block: int) -> bool:
        """Return whether a machine's disks hold a block; blocks are dealt out in turn."""
        return (machine.index - block) % len(self.machines) < self.spec.replicas

    def point_seconds(self, machine: Machine, round_: object, nbytes: int) -> float:
        """Return the seconds until a machine has the point of a round; it is sent it once."""
        if machine.round is not round_:
            machine.round = round_
            self.totals.network_bytes += nbytes
            machine.round_at = self.now + max(
                self.outward.serve(nbytes, self.now), machine.link.serve(nbytes, self.now)
            )
        return max(0.0, machine.round_at - self.now)

    def fetch_seconds(self, machine: Machine, block: int, nbytes: float) -> float:
        """Return the seconds until a block is read from where it is stored."""
        if self.holds(machine, block):
            return self.disk_seconds(machine, nbytes)
        self.totals.network_bytes += nbytes
        return machine.link.serve(nbytes, self.now)

    def disk_seconds(self, machine: Machine, nbytes: float) -> float:
        """Return the seconds until so many bytes are read from a machine's disks."""
        self.totals.disk_bytes += nbytes
        return machine.disk.serve(nbytes, self.now)

    def recalls(self, machine: Machine, block: int, nbytes: float) -> bool:
        """Return whether a machine has a block in memory, where it is from now on."""
        if block in machine.cached:
            machine.cached.move_to_end(block)
            self.totals.memory_bytes += nbytes
            return True
        machine.cached[block] = nbytes
        machine.held += nbytes
        while machine.held > self.spec.memory and len(machine.cached) > 1:
            machine.held -= machine.cached.popitem(last=False)[1]
        self.totals.most_cached = max(self.totals.most_cached, machine.held)
        return False

    def compute_seconds(self, machine: Machine, seconds: float) -> float:
        """Return how long a core takes to do what should take so many seconds."""
        chance = 1 + self.spec.jitter * self.chance.random()
        taken = machine.slow * chance * seconds
        self.totals.compute_seconds += taken
        return taken
