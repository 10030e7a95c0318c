"""The scheduler of one pass: events and a time in, commands out.

No thread, socket, file or clock. A task is *waiting* (for its backoff, then for
a worker), *running* in one attempt or more, or *done*; the first attempt to
finish makes it done. Each task keeps its story, which is told when something
happens that cannot.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mr.commands import Abort, Accept, Command, Launch, Retry, Stop
from mr.errors import (
    GradfoldError,
    ImpossibleTransition,
    NondeterministicMap,
    Place,
    TaskFailed,
    TaskTimeout,
)
from mr.events import AttemptFailed, AttemptFinished, EngineEvent, WorkerJoined, WorkerLost
from mr.reduce import Node
from mr.retry import RetryPolicy
from mr.storage.container import fingerprint
from mr.task import Attempt, Task


@dataclass(slots=True)
class _Record:
    """What the scheduler knows of one task."""

    started: int = 0
    failures: int = 0
    losses: int = 0
    done: bool = False
    result: int | None = None
    running: dict[Attempt, float | None] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)


class Scheduler:
    """Decides which attempt runs where and when.

    Parameters
    ----------
    tasks : iterable of Task
        All tasks of the pass.
    policy : RetryPolicy
    affinity : mapping of node to worker, optional
        The worker that did a node before and has its blocks at hand. It is
        given that node first; others take it over rather than stay idle.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        policy: RetryPolicy,
        affinity: Mapping[Node, str] | None = None,
    ) -> None:
        self._policy = policy
        self._affinity = affinity or {}
        self._records = {task: _Record() for task in tasks}
        self._pending = len(self._records)
        self._workers: dict[str, Attempt | None] = {}
        self._ready: dict[str | None, deque[Task]] = {None: deque()}
        self._delayed: list[tuple[float, Task]] = []
        self._aborted = False
        for task in self._records:
            self._make_ready(task)

    @property
    def done(self) -> bool:
        """Whether every task has its result, or the pass was aborted."""
        return self._aborted or self._pending == 0

    def wakeup(self) -> float | None:
        """Return the time at which `tick` has something to do if no event comes before."""
        deadlines = [
            deadline
            for record in self._records.values()
            for deadline in record.running.values()
            if deadline is not None
        ]
        if self._delayed:
            deadlines.append(self._delayed[0][0])
        return min(deadlines, default=None)

    def handle(self, event: EngineEvent, now: float) -> list[Command]:
        """Take in an event and return what is to be done.

        Raises
        ------
        ImpossibleTransition
            If the event contradicts what was commanded.
        """
        match event:
            case WorkerJoined(worker=worker):
                commands: list[Command] = self._joined(worker)
            case WorkerLost(worker=worker, reason=reason):
                commands = self._lost(worker, reason, now)
            case AttemptFinished():
                commands = self._finished(event, now)
            case AttemptFailed():
                commands = self._failed(event, now)
        return commands + self.tick(now)

    def tick(self, now: float) -> list[Command]:
        """Act on the time alone: stop what runs too long, launch what may run."""
        commands = self._stop_late(now)
        while self._delayed and self._delayed[0][0] <= now:
            self._make_ready(heapq.heappop(self._delayed)[1])
        if not self._aborted:
            commands += self._launch(now)
        return commands

    @property
    def running(self) -> list[Attempt]:
        """The attempts that were launched and have not ended."""
        return [attempt for record in self._records.values() for attempt in record.running]

    def story(self, task: Task) -> str:
        """Return what happened to a task so far, a line an event."""
        return "\n".join(self._records[task].story)

    # -- events ---------------------------------------------------------------

    def _joined(self, worker: str) -> list[Command]:
        attempt = self._workers.setdefault(worker, None)
        if attempt is not None:
            story = self.story(attempt.task)
            raise ImpossibleTransition(f"{worker} joined and was running {attempt}\n{story}")
        return []

    def _finished(self, event: AttemptFinished, now: float) -> list[Command]:
        attempt, record = event.attempt, self._known(event.attempt, "finished")
        self._free(event.worker, attempt)
        result = None if event.payload is None else fingerprint(event.payload)
        self._tell(attempt.task, now, f"{attempt} finished on {event.worker}")
        if record.done:
            return [] if result == record.result else [self._abort(_nondeterministic(attempt))]
        if attempt not in record.running:  # stopped, or lost with its worker: fenced out
            return []
        del record.running[attempt]
        record.done, record.result = True, result
        self._pending -= 1
        stops = [self._stop(other, now) for other in list(record.running)]
        return [Accept(attempt.task, event.worker, event.payload), *stops]

    def _failed(self, event: AttemptFailed, now: float) -> list[Command]:
        attempt, record = event.attempt, self._known(event.attempt, "failed")
        self._free(event.worker, attempt)
        if attempt not in record.running:
            return []
        del record.running[attempt]
        return self._count_failure(attempt, event.error, now)

    def _lost(self, worker: str, reason: str, now: float) -> list[Command]:
        attempt = self._workers.pop(worker, None)
        for task in self._ready.pop(worker, ()):
            self._make_ready(task)
        if attempt is None or attempt not in self._records[attempt.task].running:
            return []
        record = self._records[attempt.task]
        del record.running[attempt]
        record.losses += 1
        self._tell(attempt.task, now, f"{attempt} lost with {worker}: {reason}")
        if record.done:
            return []
        if self._policy.again_after_loss(record.losses):
            return [self._again(attempt.task, reason, record.losses, now)]
        return [self._abort(_killer(attempt, record.losses, reason))]

    def _stop_late(self, now: float) -> list[Command]:
        commands: list[Command] = []
        if self._policy.timeout is None:
            return commands
        for task, record in self._records.items():
            for attempt, deadline in list(record.running.items()):
                if deadline is not None and deadline <= now:
                    commands.append(self._stop(attempt, now))
                    error = _too_long(attempt, self._policy.timeout)
                    commands += self._count_failure(attempt, error, now)
                    self._tell(task, now, f"{attempt} ran too long")
        return commands

    # -- decisions ------------------------------------------------------------

    def _count_failure(self, attempt: Attempt, error: GradfoldError, now: float) -> list[Command]:
        task, record = attempt.task, self._records[attempt.task]
        record.failures += 1
        self._tell(task, now, f"{attempt} failed: {error.what}")
        if self._policy.again(error, record.failures):
            return [self._again(task, error.what, record.failures, now)]
        if not error.retryable:
            return [self._abort(error)]
        what = f"Task {task} failed in each of its {record.failures} attempts"
        return [self._abort(TaskFailed(what, error))]

    def _again(self, task: Task, reason: str, count: int, now: float) -> Retry:
        heapq.heappush(self._delayed, (now + self._policy.delay(count), task))
        return Retry(task, reason)

    def _launch(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for worker in [name for name, busy in self._workers.items() if busy is None]:
            task = self._next_for(worker)
            if task is None:
                break
            record = self._records[task]
            attempt = Attempt(task, record.started)
            record.started += 1
            timeout = self._policy.timeout
            record.running[attempt] = None if timeout is None else now + timeout
            self._workers[worker] = attempt
            self._tell(task, now, f"{attempt} launched on {worker}")
            commands.append(Launch(attempt, worker))
        return commands

    def _next_for(self, worker: str) -> Task | None:
        others = max(self._ready.values(), key=len)
        for queue in (self._ready.get(worker), self._ready[None], others):
            if queue:
                return queue.popleft()
        return None

    def _make_ready(self, task: Task) -> None:
        wanted = self._affinity.get(task.node)
        home = wanted if wanted in self._workers or not self._workers else None
        self._ready.setdefault(home, deque()).append(task)

    def _stop(self, attempt: Attempt, now: float) -> Stop:
        record = self._records[attempt.task]
        del record.running[attempt]
        self._tell(attempt.task, now, f"{attempt} stopped")
        worker = next(name for name, busy in self._workers.items() if busy == attempt)
        return Stop(attempt, worker)

    def _abort(self, error: GradfoldError) -> Abort:
        self._aborted = True
        return Abort(error)

    # -- bookkeeping ----------------------------------------------------------

    def _free(self, worker: str, attempt: Attempt) -> None:
        if self._workers.get(worker) == attempt:
            self._workers[worker] = None

    def _known(self, attempt: Attempt, what: str) -> _Record:
        record = self._records.get(attempt.task)
        if record is None or attempt.number >= record.started:
            story = self.story(attempt.task) if record else "the task is not of this pass"
            raise ImpossibleTransition(f"{attempt} {what} and was never launched\n{story}")
        return record

    def _tell(self, task: Task, now: float, what: str) -> None:
        self._records[task].story.append(f"{now:.3f}  {what}")


def _nondeterministic(attempt: Attempt) -> NondeterministicMap:
    return NondeterministicMap(
        f"Two attempts of task {attempt.task} returned different bits",
        place=Place(attempt=str(attempt)),
        cause="map depends on more than its block and point: the time, a global, "
        "an unseeded generator, the order of a set",
        remedy="draw random numbers keyed by block and pass, and keep map free of side effects",
    )


def _killer(attempt: Attempt, losses: int, reason: str) -> TaskFailed:
    last = GradfoldError(
        f"{losses} workers were lost while they ran task {attempt.task}",
        place=Place(block=attempt.task.low, attempt=str(attempt)),
        cause=f"the last: {reason}; the task may need more memory than there is, "
        "or crash the interpreter",
        remedy="use a smaller block size or fewer workers, and look at the worker's output above",
    )
    return TaskFailed(f"Task {attempt.task} is held to be the cause", last)


def _too_long(attempt: Attempt, timeout: float) -> TaskTimeout:
    return TaskTimeout(
        f"Attempt {attempt} ran longer than {timeout:g} s",
        place=Place(block=attempt.task.low, attempt=str(attempt)),
        cause="the time limit of a task is too short for a block, or the task hangs",
        remedy="raise the time limit (--task-timeout), or use a smaller block size",
    )
