"""The only loop: feeds the scheduler, carries its commands to an engine, asks for the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mr.commands import Abort, Accept, Command, Launch, Retry, Skip, Stop
from mr.engine import Engine, Round, Work
from mr.events import (
    AttemptStarted,
    BlockSkipped,
    EngineEvent,
    Event,
    TaskDone,
    TaskRetried,
    WorkerAlive,
    WorkerJoined,
    WorkerLost,
)
from mr.locality import hosts_of
from mr.recollection import Recollection
from mr.reduce import Reducer
from mr.schedule import Scheduler
from mr.statistic import Statistic
from mr.task import Task, merge


@dataclass
class Driver:
    """Runs passes on an engine, and remembers from one to the next.

    Parameters
    ----------
    engine : Engine
    emit : callable
        Is told of every event.
    memory : Recollection
        The policies, and what passes teach.
    workers : dict
        The workers that are up.
    """

    engine: Engine
    emit: Callable[[Event], None]
    memory: Recollection = field(default_factory=Recollection)
    workers: dict[str, WorkerJoined] = field(default_factory=dict)

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
        clock = self.engine.clock
        blocks = round_.program.dataset.blocks
        reducer: Reducer[Statistic] = Reducer(len(blocks), merge)
        scattered = any(block.hosts for block in blocks)
        hosts = {task.node: hosts_of(blocks[task.low : task.high]) for task in tasks if scattered}
        scheduler = Scheduler(tasks, self.memory, hosts, clock())
        try:
            for joined in self.workers.values():
                scheduler.handle(joined, clock())
            while not scheduler.done:
                self._carry_out(scheduler.tick(clock()), round_, reducer)
                for event in self._noted(self.engine.events(self._patience(scheduler))):
                    self._carry_out(scheduler.handle(event, clock()), round_, reducer)
        except BaseException:
            for attempt in scheduler.running:  # the next pass must not hear of them
                self.engine.cancel(attempt)
            raise
        return reducer.total()

    def _patience(self, scheduler: Scheduler) -> float | None:
        now = self.engine.clock()
        wakeup = scheduler.wakeup(now)
        return None if wakeup is None else max(0.0, wakeup - now)

    def _noted(self, events: Sequence[EngineEvent]) -> Sequence[EngineEvent]:
        """Take down who comes and goes, before one of the events may end the pass."""
        for event in events:
            if isinstance(event, WorkerJoined):
                self.workers[event.worker] = event
            elif isinstance(event, WorkerLost):
                self.workers.pop(event.worker, None)
        for event in events:
            if not isinstance(event, WorkerAlive):
                self.emit(event)
        return events

    def _carry_out(
        self, commands: Iterable[Command], round_: Round, reducer: Reducer[Statistic]
    ) -> None:
        for command in commands:
            match command:
                case Launch(attempt, worker, skip):
                    self.emit(AttemptStarted(attempt, worker))
                    self.engine.submit(Work(attempt, worker, round_, skip=skip))
                case Stop(attempt, _):
                    self.engine.cancel(attempt)
                case Accept(task, worker, payload):
                    decode = round_.program.job.statistic.decode
                    reducer.add(task.node, None if payload is None else decode(payload))
                    self.memory.affinity[task.node] = worker
                    self.emit(TaskDone(task, worker))
                case Retry(task, reason):
                    self.emit(TaskRetried(task, reason))
                case Skip(block, error):
                    self.emit(BlockSkipped(block, str(error)))
                case Abort(error):
                    raise error
