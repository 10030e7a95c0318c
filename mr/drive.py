"""The only loop: feeds the scheduler, carries its commands to an engine, owns the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mr.commands import Abort, Accept, Command, Launch, Retry, Stop
from mr.engine import Engine, Round, Work
from mr.events import (
    AttemptStarted,
    EngineEvent,
    Event,
    TaskDone,
    TaskRetried,
    WorkerJoined,
    WorkerLost,
)
from mr.reduce import Node, Reducer
from mr.retry import RetryPolicy
from mr.schedule import Scheduler
from mr.statistic import Statistic
from mr.task import Task, merge


@dataclass
class Driver:
    """Runs passes on an engine, and remembers its workers from one to the next.

    Parameters
    ----------
    engine : Engine
    policy : RetryPolicy
    emit : callable
        Is told of every event.
    clock : callable
        Seconds, from any origin.
    """

    engine: Engine
    policy: RetryPolicy
    emit: Callable[[Event], None]
    clock: Callable[[], float] = time.monotonic
    workers: dict[str, WorkerJoined] = field(default_factory=dict)
    _affinity: dict[Node, str] = field(default_factory=dict)

    def run_pass(self, round_: Round, tasks: Sequence[Task]) -> Statistic | None:
        """Run all tasks of a pass and return the merged statistic, or None if no block has any.

        Parameters
        ----------
        round_ : Round
            Job, dataset and point.
        tasks : sequence of Task
            A cut of the dataset's blocks into nodes of the canonical tree.

        Raises
        ------
        GradfoldError
            If a task cannot be finished within its attempts.
        """
        blocks = max(task.high for task in tasks)
        reducer: Reducer[Statistic] = Reducer(blocks, merge)
        scheduler = Scheduler(tasks, self.policy, self._affinity)
        for joined in self.workers.values():
            self._carry_out(scheduler.handle(joined, self.clock()), round_, reducer)
        try:
            while not scheduler.done:
                for event in self._noted(self.engine.events(self._patience(scheduler))):
                    self._carry_out(scheduler.handle(event, self.clock()), round_, reducer)
                self._carry_out(scheduler.tick(self.clock()), round_, reducer)
        except BaseException:
            for attempt in scheduler.running:  # the next pass must not hear of them
                self.engine.cancel(attempt)
            raise
        return reducer.total()

    def _patience(self, scheduler: Scheduler) -> float | None:
        wakeup = scheduler.wakeup()
        return None if wakeup is None else max(0.0, wakeup - self.clock())

    def _noted(self, events: Sequence[EngineEvent]) -> Sequence[EngineEvent]:
        """Take down who comes and goes, before one of the events may end the pass."""
        for event in events:
            if isinstance(event, WorkerJoined):
                self.workers[event.worker] = event
            elif isinstance(event, WorkerLost):
                self.workers.pop(event.worker, None)
        for event in events:
            self.emit(event)
        return events

    def _carry_out(
        self, commands: Iterable[Command], round_: Round, reducer: Reducer[Statistic]
    ) -> None:
        for command in commands:
            match command:
                case Launch(attempt, worker):
                    self.emit(AttemptStarted(attempt, worker))
                    self.engine.submit(Work(attempt, worker, round_))
                case Stop(attempt, _):
                    self.engine.cancel(attempt)
                case Accept(task, worker, payload):
                    decode = round_.program.job.statistic.decode
                    reducer.add(task.node, None if payload is None else decode(payload))
                    self._affinity[task.node] = worker
                    self.emit(TaskDone(task, worker))
                case Retry(task, reason):
                    self.emit(TaskRetried(task, reason))
                case Abort(error):
                    raise error
