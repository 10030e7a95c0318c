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
class Machine:
    """A machine: its rack, how slow it is, and which blocks it has in memory."""

    index: int
    rack: int
    slow: float = 1.0
    up: bool = True
    workers: dict[str, Worker] = field(default_factory=dict)
    cached: OrderedDict[int, int] = field(default_factory=OrderedDict)
    held: int = 0
    round: object = None

    @property
    def name(self) -> str:
        """How it is called."""
        return f"m{self.index}"

    def forget(self) -> None:
        """Lose what is in memory."""
        self.cached.clear()
        self.held = 0
        self.round = None


@dataclass
class Totals:
    """What a simulation adds up, for plans."""

    disk_bytes: float = 0.0
    network_bytes: float = 0.0
    memory_bytes: float = 0.0
    busy_seconds: float = 0.0
    most_cached: float = 0.0


class World:
    """A cluster that lives as long as actions are due.

    Parameters
    ----------
    spec : ClusterSpec
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self.now = 0.0
        self.totals = Totals()
        self.chance = random.Random(spec.seed)
        self.machines = [Machine(i, i % spec.racks) for i in range(spec.machines)]
        self.workers: dict[str, Worker] = {}
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
        """Let time pass until the driver has mail, at most up to a time, and return the mail.

        ``None`` waits for ever: where nothing is due any more, the mail is empty.
        """
        while not self._inbox and self._due and (latest is None or self._due[0][0] <= latest):
            self.now, _, action = heapq.heappop(self._due)
            action()
        if not self._inbox and latest is not None:
            self.now = max(self.now, latest)
        mail, self._inbox = self._inbox, []
        return mail

    def send(self, event: EngineEvent, nbytes: int = 0, late: float = 0.0) -> None:
        """Send the driver a message; its link takes one after the other."""
        seconds = self.spec.latency + late
        if nbytes:
            began = max(self.now, self._driver_free)
            self._driver_free = began + nbytes / self.spec.network
            self.totals.network_bytes += nbytes
            seconds += self._driver_free - self.now
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

    def read_seconds(self, machine: Machine, block: int, nbytes: int) -> float:
        """Return how long a machine takes to read a block, and remember that it did."""
        if block in machine.cached:
            machine.cached.move_to_end(block)
            self.totals.memory_bytes += nbytes
            return 0.0
        machine.cached[block] = nbytes
        machine.held += nbytes
        while machine.held > self.spec.memory and len(machine.cached) > 1:
            machine.held -= machine.cached.popitem(last=False)[1]
        self.totals.most_cached = max(self.totals.most_cached, machine.held)
        if self.holds(machine, block):
            self.totals.disk_bytes += nbytes
            return nbytes / self.spec.disk
        self.totals.network_bytes += nbytes
        return nbytes / self.spec.network

    def compute_seconds(self, machine: Machine, nbytes: int) -> float:
        """Return how long a core takes to map so many bytes."""
        chance = 1 + self.spec.jitter * self.chance.random()
        return machine.slow * chance * nbytes / self.spec.compute
