"""`Tally`: a listener that counts what workers did, for the figures of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mr.events import AttemptStarted, Event, TaskDone, WorkerJoined, WorkerLost


@dataclass(slots=True)
class WorkerTally:
    """What one worker did.

    Parameters
    ----------
    worker : str
    pid : int
        Its process.
    tasks : int
        Results of it that were taken.
    """

    worker: str
    pid: int
    tasks: int = 0


@dataclass
class Tally:
    """Counts over a run; give it to ``listeners``.

    Attributes
    ----------
    retries : int
        Attempts beyond the first of each task, copies of stragglers included.
    lost : int
        Workers that were lost.
    present : set of str
        Workers that are up.

    Examples
    --------
    >>> from mr.events import WorkerJoined
    >>> tally = Tally()
    >>> tally(WorkerJoined("worker-0", 4242, "localhost"))
    >>> tally.workers()
    [{'worker': 'worker-0', 'pid': 4242, 'tasks': 0}]
    """

    retries: int = 0
    lost: int = 0
    present: set[str] = field(default_factory=set)
    _workers: dict[str, WorkerTally] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Count an event, if it is one that counts."""
        match event:
            case WorkerJoined(worker=worker, pid=pid):
                self._workers[worker] = WorkerTally(worker, pid)
                self.present.add(worker)
            case WorkerLost(worker=worker):
                self.lost += 1
                self.present.discard(worker)
            case TaskDone(worker=worker) if worker in self._workers:
                self._workers[worker].tasks += 1
            case AttemptStarted(attempt=attempt) if attempt.number > 0:
                self.retries += 1

    def workers(self) -> list[dict[str, Any]]:
        """Return worker, process id and tasks done of each, in the order they joined."""
        return [
            {"worker": one.worker, "pid": one.pid, "tasks": one.tasks}
            for one in self._workers.values()
        ]
