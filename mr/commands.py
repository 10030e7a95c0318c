"""What the scheduler tells the driver to do, as values."""

from __future__ import annotations

from dataclasses import dataclass

from mr.errors import GradfoldError
from mr.task import Attempt, Task


@dataclass(frozen=True, slots=True)
class Launch:
    """Give an attempt to a worker, who leaves some blocks out."""

    attempt: Attempt
    worker: str
    skip: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop an attempt that is no longer wanted, whatever it takes."""

    attempt: Attempt
    worker: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the result of a task; comes once for each."""

    task: Task
    worker: str
    payload: bytes | memoryview | None


@dataclass(frozen=True, slots=True)
class Retry:
    """A task is to be tried again; nothing needs to be done."""

    task: Task
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A block is left out from now on, since it cannot be read as data."""

    block: int
    error: GradfoldError


@dataclass(frozen=True, slots=True)
class Abort:
    """The pass cannot be finished."""

    error: GradfoldError


Command = Launch | Stop | Accept | Retry | Skip | Abort
