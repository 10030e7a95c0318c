"""The errors that the scheduler ends a pass with, in words."""

from __future__ import annotations

from mr.errors import GradfoldError, NondeterministicMap, Place, TaskFailed, TaskTimeout
from mr.task import Attempt, Task


def nondeterministic(attempt: Attempt) -> NondeterministicMap:
    """Return the error for two results of one task that differ."""
    return NondeterministicMap(
        f"Two attempts of task {attempt.task} returned different bits",
        place=Place(attempt=str(attempt)),
        cause="map depends on more than its block and point: the time, a global, "
        "an unseeded generator, the order of a set",
        remedy="draw random numbers keyed by block and pass, and keep map free of side effects",
    )


def exhausted(task: Task, failures: int, last: GradfoldError) -> TaskFailed:
    """Return the error for a task that failed as often as it may."""
    return TaskFailed(f"Task {task} failed in each of its {failures} attempts", last)


def killer(attempt: Attempt, losses: int, reason: str) -> TaskFailed:
    """Return the error for a task that takes its workers with it."""
    last = GradfoldError(
        f"{losses} workers were lost while they ran task {attempt.task}",
        place=Place(block=attempt.task.low, attempt=str(attempt)),
        cause=f"the last: {reason}; the task may need more memory than there is, "
        "or crash the interpreter",
        remedy="use a smaller block size or fewer workers, and look at the worker's output above",
    )
    return TaskFailed(f"Task {attempt.task} is held to be the cause", last)


def too_long(attempt: Attempt, timeout: float) -> TaskTimeout:
    """Return the error for an attempt that ran past its time limit."""
    return TaskTimeout(
        f"Attempt {attempt} ran longer than {timeout:g} s",
        place=Place(block=attempt.task.low, attempt=str(attempt)),
        cause="the time limit of a task is too short for a block, or the task hangs",
        remedy="raise the time limit (--task-timeout), or use a smaller block size",
    )
