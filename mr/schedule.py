"""The scheduler of one pass: events and a time in, commands out.

No thread, socket, file or clock. A task is *delayed* (for its backoff), *ready*
(for a worker), *running* in one attempt or more, or *done*; the first attempt
to finish makes it done. What to place where, when to repeat and when to give up
is decided by policies, each in its own file. Each task keeps its story, which is
told when something happens that cannot.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from mr import verdicts
from mr.commands import Abort, Accept, Command, Launch, Retry, Skip, Stop
from mr.errors import GradfoldError, ImpossibleTransition
from mr.events import (
    AttemptFailed,
    AttemptFinished,
    EngineEvent,
    WorkerAlive,
    WorkerJoined,
    WorkerLost,
)
from mr.locality import ReadyTasks
from mr.recollection import Recollection
from mr.reduce import Node
from mr.running import Run, Running
from mr.storage.container import fingerprint
from mr.task import Attempt, Task


@dataclass(slots=True)
class _Record:
    """What the scheduler knows of one task."""

    started: int = 0
    failures: int = 0
    losses: int = 0
    not_before: float = 0.0
    done: bool = False
    result: int | None = None
    running: set[Attempt] = field(default_factory=set)
    story: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Worker:
    """A worker, where it is, and what it was last given."""

    host: str
    attempt: Attempt | None = None


class Scheduler:
    """Decides which attempt runs where and when.

    Parameters
    ----------
    tasks : iterable of Task
        All tasks of the pass.
    recollection : Recollection
        The policies, and what earlier passes taught.
    hosts : mapping of node to hosts, optional
        Where blocks lie, best first.
    started : float
        The time at which the pass begins.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        recollection: Recollection | None = None,
        hosts: Mapping[Node, tuple[str, ...]] | None = None,
        started: float = 0.0,
    ) -> None:
        self._memory = recollection or Recollection()
        self._policies = self._memory.policies
        self._records = {task: _Record() for task in tasks}
        self._pending = len(self._records)
        self._number = min((task.pass_number for task in self._records), default=0)
        self._workers: dict[str, _Worker] = {}
        self._running = Running(self._policies, self._pending, vital=self._memory.vital)
        self._delayed: list[tuple[float, Task]] = []
        self._aborted = False
        self._ready = ReadyTasks(self._policies.locality, self._memory.affinity, hosts or {})
        for task in self._records:
            self._ready.add(task, started)

    @property
    def done(self) -> bool:
        """Whether every task has its result, or the pass was aborted."""
        return self._aborted or self._pending == 0

    @property
    def running(self) -> list[Attempt]:
        """The attempts that run."""
        return list(self._running)

    def wakeup(self, now: float) -> float | None:
        """Return the time at which `tick` has something to do if no event comes before."""
        times: list[float | None] = list(self._running.limits())
        if self._delayed:
            times.append(self._delayed[0][0])
        idle = self._unoccupied()
        allowed = self._allowed(idle, now)
        if self._ready:
            times += [self._ready.wakeup()] if allowed else []
        elif allowed and not self._delayed:
            times += [when for when, _ in self._copyable()]
        if len(allowed) < len(idle):
            times.append(self._memory.exclusions.wakeup(now))
        return min((time for time in times if time is not None), default=None)

    def handle(self, event: EngineEvent, now: float) -> list[Command]:
        """Take in an event and return what is to be done; nothing is launched before `tick`.

        All that has happened is to be taken in first: a worker that is free may be
        one that the next event says is lost.

        Raises
        ------
        ImpossibleTransition
            If the event contradicts what was commanded.
        """
        commands: list[Command] = []
        match event:
            case WorkerJoined(worker=worker, host=host):
                self._joined(worker, host)
            case WorkerAlive(worker=worker):
                self._running.hear(worker, now)
            case WorkerLost(worker=worker, reason=reason):
                commands = self._lost(worker, reason, now)
            case AttemptFinished() | AttemptFailed() if self._is_late(event.attempt):
                pass
            case AttemptFinished():
                commands = self._finished(event, now)
            case AttemptFailed():
                commands = self._failed(event, now)
        return commands

    def tick(self, now: float) -> list[Command]:
        """Act on the time alone: stop what runs too long, launch what may run."""
        commands = [] if self._aborted else self._stop_late(now)
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.add(heapq.heappop(self._delayed)[1], now)
        if not self._aborted:
            commands += self._launch_ready(now)
            commands += self._launch_copies(now)
        return commands

    def story(self, task: Task) -> str:
        """Return what happened to a task so far, a line an event."""
        return "\n".join(self._records[task].story)

    # -- events ---------------------------------------------------------------

    def _joined(self, worker: str, host: str) -> None:
        known = self._workers.get(worker)
        if known is not None and known.attempt is not None:
            story = self.story(known.attempt.task)
            what = f"{worker} joined and was running {known.attempt}"
            raise ImpossibleTransition(f"{what}\n{story}")
        self._workers[worker] = _Worker(host)

    def _finished(self, event: AttemptFinished, now: float) -> list[Command]:
        attempt, record = event.attempt, self._known(event.attempt, "finished")
        self._free(event.worker, attempt)
        result = None if event.payload is None else fingerprint(event.payload)
        self._tell(attempt, now, f"finished on {event.worker}")
        if record.done:
            same = result == record.result
            return [] if same else [self._abort(verdicts.nondeterministic(attempt))]
        if attempt not in self._running:  # stopped, or lost with its worker: fenced out
            return []
        record.running.discard(attempt)
        self._running.finish(attempt, now)
        record.done, record.result = True, result
        self._pending -= 1
        stops = [self._stop(other, now) for other in sorted(record.running)]
        return [Accept(attempt.task, event.worker, event.payload), *stops]

    def _failed(self, event: AttemptFailed, now: float) -> list[Command]:
        self._known(event.attempt, "failed")
        self._free(event.worker, event.attempt)
        if event.attempt not in self._running:
            return []
        self._drop(event.attempt)
        return self._count_failure(event.attempt, event.worker, event.error, now)

    def _lost(self, worker: str, reason: str, now: float) -> list[Command]:
        gone = self._workers.pop(worker, None)
        if gone is None or gone.attempt is None or gone.attempt not in self._running:
            return []
        self._drop(gone.attempt)
        return self._count_loss(gone.attempt, f"lost with {worker}: {reason}", now)

    def _stop_late(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for run in self._running.too_long(now):
            commands.append(self._stop(run.attempt, now))
            error = verdicts.too_long(run.attempt, now - run.started)
            commands += self._count_failure(run.attempt, run.worker, error, now)
        for run in self._running.silent(now):
            commands.append(self._stop(run.attempt, now))
            commands += self._count_loss(run.attempt, f"{run.worker} fell silent", now)
        return commands

    # -- decisions ------------------------------------------------------------

    def _count_failure(
        self, attempt: Attempt, worker: str, error: GradfoldError, now: float
    ) -> list[Command]:
        task, record = attempt.task, self._records[attempt.task]
        self._tell(attempt, now, f"failed: {error.what}")
        before = len(self._memory.skipped.blocks)
        if self._memory.skipped.consider(error):
            skipped = len(self._memory.skipped.blocks) > before
            skips = [Skip(error.place.block or 0, error)] if skipped else []
            return [*skips, *self._again(task, error.what, 0.0, now)]
        if not error.retryable:
            return [self._abort(error)]
        record.failures += 1
        if worker in self._workers:
            self._memory.exclusions.strike(worker, self._workers[worker].host, now)
        if self._policies.retry.again(error, record.failures) or record.running:
            return self._again(task, error.what, self._policies.retry.delay(record.failures), now)
        return [self._abort(verdicts.exhausted(task, record.failures, error))]

    def _count_loss(self, attempt: Attempt, reason: str, now: float) -> list[Command]:
        record = self._records[attempt.task]
        record.losses += 1
        self._tell(attempt, now, reason)
        if self._policies.retry.again_after_loss(record.losses) or record.running:
            return self._again(attempt.task, reason, self._policies.retry.delay(record.losses), now)
        return [self._abort(verdicts.killer(attempt, record.losses, reason))]

    def _again(self, task: Task, reason: str, delay: float, now: float) -> list[Command]:
        record = self._records[task]
        record.not_before = now + delay
        if not record.running:  # else its other attempt decides
            heapq.heappush(self._delayed, (record.not_before, task))
        return [Retry(task, reason)]

    def _launch_ready(self, now: float) -> list[Command]:
        commands: list[Command] = []
        if not self._ready:
            return commands
        hosts = {worker.host for worker in self._workers.values()}
        for name in self._allowed(self._unoccupied(), now):
            task = self._ready.take(name, self._workers[name].host, hosts, now)
            if task is not None:
                commands.append(self._launch(task, name, now))
        return commands

    def _launch_copies(self, now: float) -> list[Command]:
        commands: list[Command] = []
        if self._ready or self._delayed:
            return commands
        due = [attempt for when, attempt in self._copyable() if when <= now]
        idle = self._allowed(self._unoccupied(), now) if due else []
        for attempt in due:
            if not idle:
                break
            near = self._workers[self._running[attempt].worker].host
            elsewhere = [name for name in idle if self._workers[name].host != near]
            name = (elsewhere or idle)[0]  # what slows the one may slow its neighbours too
            idle.remove(name)
            commands.append(self._launch(attempt.task, name, now))
        return commands

    def _copyable(self) -> list[tuple[float, Attempt]]:
        """Return the stragglers that another attempt may be put beside, and from when on."""
        policy = self._policies.speculation
        copyable = []
        for when, attempt in self._running.stragglers():
            record = self._records[attempt.task]
            if policy and len(record.running) < policy.copies:
                copyable.append((max(when, record.not_before), attempt))
        return sorted(copyable, key=itemgetter(0))

    def _unoccupied(self) -> list[str]:
        return [name for name, worker in self._workers.items() if worker.attempt is None]

    def _allowed(self, idle: list[str], now: float) -> list[str]:
        """Return the idle workers that may be given work: neither they nor their host excluded."""
        if not idle:
            return idle
        exclusions, workers = self._memory.exclusions, self._workers
        names = exclusions.allowed(workers, now)
        hosts = exclusions.allowed(sorted({w.host for w in workers.values()}), now)
        return [name for name in idle if name in names and workers[name].host in hosts]

    def _launch(self, task: Task, worker: str, now: float) -> Launch:
        record = self._records[task]
        attempt = Attempt(task, record.started)
        record.started += 1
        record.running.add(attempt)
        self._running.start(attempt, worker, now)
        self._workers[worker].attempt = attempt
        self._tell(attempt, now, f"launched on {worker}")
        return Launch(attempt, worker, self._memory.skipped.within(task.low, task.high))

    def _stop(self, attempt: Attempt, now: float) -> Stop:
        self._tell(attempt, now, "stopped")
        return Stop(attempt, self._drop(attempt).worker)

    def _abort(self, error: GradfoldError) -> Abort:
        self._aborted = True
        return Abort(error)

    # -- bookkeeping ----------------------------------------------------------

    def _drop(self, attempt: Attempt) -> Run:
        self._records[attempt.task].running.discard(attempt)
        return self._running.end(attempt)

    def _free(self, worker: str, attempt: Attempt) -> None:
        if worker in self._workers and self._workers[worker].attempt == attempt:
            self._workers[worker].attempt = None

    def _is_late(self, attempt: Attempt) -> bool:
        """Return whether an attempt is of an earlier pass: a duplicate, or one that was stopped."""
        return attempt.task.pass_number < self._number

    def _known(self, attempt: Attempt, what: str) -> _Record:
        record = self._records.get(attempt.task)
        if record is None or attempt.number >= record.started:
            story = self.story(attempt.task) if record else "the task is not of this pass"
            raise ImpossibleTransition(f"{attempt} {what} and was never launched\n{story}")
        return record

    def _tell(self, attempt: Attempt, now: float, what: str) -> None:
        self._records[attempt.task].story.append(f"{now:.3f}  {attempt} {what}")
