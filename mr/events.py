"""What happens in a run, as values: engines report some, the driver adds the rest.

The ledger writes them, progress shows them, the post-mortem reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from numbers import Integral, Real
from typing import Any

from mr.errors import GradfoldError
from mr.storage.container import fingerprint
from mr.task import Attempt, Task


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is ready for work."""

    worker: str
    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, and whatever it was doing with it."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerAlive:
    """A sign of life; workers that give such signs are missed when they stop."""

    worker: str


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt returned its statistic, encoded; None where no block had a term."""

    attempt: Attempt
    worker: str
    payload: bytes | memoryview | None


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt raised."""

    attempt: Attempt
    worker: str
    error: GradfoldError


EngineEvent = WorkerJoined | WorkerAlive | WorkerLost | AttemptFinished | AttemptFailed


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began, or went on from a checkpoint after ``passes`` passes."""

    job: str
    engine: str
    blocks: int
    passes: int


@dataclass(frozen=True, slots=True)
class PassStarted:
    """A read of all blocks began, at a point of so many bytes."""

    number: int
    purpose: str
    tasks: int
    point_bytes: int = 0


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt was given to a worker."""

    attempt: Attempt
    worker: str


@dataclass(frozen=True, slots=True)
class TaskDone:
    """A task has its result."""

    task: Task
    worker: str


@dataclass(frozen=True, slots=True)
class TaskRetried:
    """A task is to be tried again."""

    task: Task
    reason: str


@dataclass(frozen=True, slots=True)
class BlockSkipped:
    """A block is left out of the run, since it cannot be read as data."""

    block: int
    reason: str


@dataclass(frozen=True, slots=True)
class PassFinished:
    """A read of all blocks ended."""

    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """The solver was told of a pass; ``report`` is what it says of itself."""

    passes: int
    report: dict[str, float]


@dataclass(frozen=True, slots=True)
class CheckpointWritten:
    """The solver's state after a pass is safe."""

    passes: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended; ``status`` is the solver's."""

    status: str
    passes: int


DriverEvent = (
    RunStarted
    | PassStarted
    | AttemptStarted
    | TaskDone
    | TaskRetried
    | BlockSkipped
    | PassFinished
    | RoundFinished
    | CheckpointWritten
    | RunFinished
)
Event = EngineEvent | DriverEvent


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON values; of a payload, its size and checksum."""
    values: dict[str, Any] = {"event": type(event).__name__}
    for field in fields(event):
        if field.name != "payload":
            values[field.name] = _plain(getattr(event, field.name))
    if isinstance(event, AttemptFinished) and event.payload is not None:
        values["nbytes"] = memoryview(event.payload).nbytes
        values["checksum"] = checksum(event.payload)
    return values


def checksum(payload: bytes | memoryview) -> str:
    """Return what an encoded statistic is compared by: equal ones hold equal bits."""
    return f"{fingerprint(payload):08x}"


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _plain(held) for name, held in value.items()}
        case Integral():
            return int(value)
        case Real() if isfinite(value):
            return float(value)
    return str(value)  # "nan" and "inf" too: JSON has no numbers for them
