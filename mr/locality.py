"""Which ready task a worker is given: near its blocks, if waiting a little brings it there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mr.reduce import Node
from mr.storage.blocks import Block
from mr.task import Task


@dataclass(frozen=True, slots=True)
class Locality:
    """Delay scheduling (Zaharia et al., EuroSys 2010).

    Parameters
    ----------
    delay : float
        Seconds that a task waits for a worker on a host that holds its blocks,
        before it is given to any. The task that has waited longest does not wait where
        no such worker is up.
    """

    delay: float = 3.0


def hosts_of(blocks: Iterable[Block]) -> tuple[str, ...]:
    """Return the hosts that hold most of the bytes of some blocks, best first."""
    held: Counter[str] = Counter()
    for block in blocks:
        for host in block.hosts:
            held[host] += block.nbytes
    most = max(held.values(), default=0)
    return tuple(sorted(host for host, nbytes in held.items() if nbytes == most))


@dataclass(slots=True, eq=False)
class _Entry:
    """A task in the queues, once for each time that it becomes ready."""

    task: Task
    since: float


class ReadyTasks:
    """The tasks that wait for a worker, in the order in which they became ready.

    Parameters
    ----------
    locality : Locality
    affinity : mapping of node to worker
        Who did a node before, and has its blocks at hand. Others take such a task
        over rather than stay idle.
    hosts : mapping of node to hosts
        Where its blocks lie.
    """

    def __init__(
        self,
        locality: Locality,
        affinity: Mapping[Node, str],
        hosts: Mapping[Node, tuple[str, ...]],
    ) -> None:
        self._locality = locality
        self._affinity = affinity
        self._hosts = hosts
        self._ready: dict[Task, _Entry] = {}
        self._of_worker: dict[str, deque[_Entry]] = {}
        self._of_host: dict[str, deque[_Entry]] = {}
        self._anywhere: deque[_Entry] = deque()
        self._others: deque[_Entry] = deque()
        self._waiting: deque[_Entry] = deque()

    def __bool__(self) -> bool:
        """Return whether any task waits."""
        return bool(self._ready)

    def add(self, task: Task, now: float) -> None:
        """Take in a task that has become ready."""
        self._ready[task] = entry = _Entry(task, now)
        worker = self._affinity.get(task.node)
        if worker is not None:
            self._of_worker.setdefault(worker, deque()).append(entry)
        hosts = self._hosts.get(task.node, ())
        for host in hosts:
            self._of_host.setdefault(host, deque()).append(entry)
        shared = self._anywhere if worker is None else self._others
        (self._waiting if hosts else shared).append(entry)

    def take(self, worker: str, host: str, hosts_up: Iterable[str], now: float) -> Task | None:
        """Return the task that a worker is to run now, if there is one.

        Parameters
        ----------
        worker, host : str
            The idle worker, and where it is.
        hosts_up : iterable of str
            Hosts that have a worker.
        now : float
        """
        own = self._of_worker.get(worker), self._of_host.get(host)
        for queue in (*own, self._anywhere, self._others):
            entry = self._first(queue)
            if entry is not None:
                return self._remove(entry)
        entry = self._first(self._waiting)
        if entry is not None and self._may_leave(entry, hosts_up, now):
            return self._remove(entry)
        return None

    def wakeup(self) -> float | None:
        """Return when the task that waits longest for its hosts may go anywhere."""
        entry = self._first(self._waiting)
        return None if entry is None else entry.since + self._locality.delay

    def _may_leave(self, entry: _Entry, hosts_up: Iterable[str], now: float) -> bool:
        waited = now >= entry.since + self._locality.delay
        return waited or set(self._hosts[entry.task.node]).isdisjoint(hosts_up)

    def _first(self, queue: deque[_Entry] | None) -> _Entry | None:
        # A task stands in several queues; where it was taken from another, or has become
        # ready anew since, it is passed over.
        while queue and self._ready.get(queue[0].task) is not queue[0]:
            queue.popleft()
        return queue[0] if queue else None

    def _remove(self, entry: _Entry) -> Task:
        del self._ready[entry.task]
        return entry.task
