"""The errors of a run, and the whole tree under one name.

::

    GradfoldError               (``mr.storage.errors``: usage, storage, data)
    └── RunError
        ├── MapFailed           a map function raised; carries the user's own traceback
        ├── TaskFailed          a task used up its attempts
        ├── TaskTimeout         an attempt ran longer than it may; retryable
        ├── InjectedFault       a fault that was asked for; retryable
        ├── NondeterministicMap two attempts of one task returned different bits
        ├── WorkersUnavailable  worker processes cannot be started
        ├── LedgerMismatch      a run's directory belongs to another run
        ├── Fenced              another driver has the run
        └── ImpossibleTransition  a defect of the scheduler, with the task's story
"""

from __future__ import annotations

from mr.storage.errors import (
    NOWHERE,
    CorruptFile,
    DataError,
    EmptyDataset,
    GradfoldError,
    IncompleteOutput,
    InvalidWeight,
    MalformedRecord,
    MissingValues,
    MixedFormats,
    NotFound,
    Place,
    SchemaMismatch,
    StorageError,
    Unreachable,
    UnsuitableLabels,
    UsageError,
)

__all__ = [
    "NOWHERE",
    "CorruptFile",
    "DataError",
    "EmptyDataset",
    "Fenced",
    "GradfoldError",
    "ImpossibleTransition",
    "IncompleteOutput",
    "InjectedFault",
    "InvalidWeight",
    "LedgerMismatch",
    "MalformedRecord",
    "MapFailed",
    "MissingValues",
    "MixedFormats",
    "NondeterministicMap",
    "NotFound",
    "Place",
    "RunError",
    "SchemaMismatch",
    "StorageError",
    "TaskFailed",
    "TaskTimeout",
    "Unreachable",
    "UnsuitableLabels",
    "UsageError",
    "WorkersUnavailable",
]


class RunError(GradfoldError):
    """A run could not go on."""


class MapFailed(RunError):
    """A map function raised an error of its own.

    Parameters
    ----------
    what : str
        Type and message of that error.
    traceback : str
        The user's own traceback, as text: frames of gradfold are left out.
    place : Place
        Block and attempt.
    """

    retryable = True  # it may be the machine's fault: a full disk, a lost mount

    def __init__(self, what: str, traceback: str, place: Place = NOWHERE) -> None:
        super().__init__(what, place=place)
        self.traceback = traceback

    def __str__(self) -> str:
        """Put the user's own traceback first."""
        return f"{self.traceback.rstrip()}\n\n{super().__str__()}"


class TaskFailed(RunError):
    """A task failed in each of the attempts it may have.

    Parameters
    ----------
    what : str
    last : GradfoldError
        The error of the last attempt.
    remedy : str
        How to repeat just that block.
    """

    def __init__(self, what: str, last: GradfoldError, remedy: str = "") -> None:
        super().__init__(what, place=last.place, cause=last.cause, remedy=remedy or last.remedy)
        self.last = last
        self.exit_status = last.exit_status  # type: ignore[misc]

    def __str__(self) -> str:
        """Put what the task itself said first."""
        return f"{self.last}\n\n{super().__str__()}"


class TaskTimeout(RunError):
    """An attempt ran longer than it may."""

    retryable = True


class InjectedFault(RunError):
    """A fault that was asked for with ``--faults``."""

    retryable = True


class NondeterministicMap(RunError):
    """Two attempts of one task returned different bits."""


class WorkersUnavailable(RunError):
    """Worker processes cannot be started, or die as soon as they are."""


class LedgerMismatch(RunError):
    """A run's directory belongs to another job, dataset or version."""

    exit_status = 2


class Fenced(RunError):
    """Another driver has the run: it is at work now, or took over while this one was away."""


class ImpossibleTransition(RunError):
    """The scheduler was told something that cannot be; a defect, with the task's story."""
