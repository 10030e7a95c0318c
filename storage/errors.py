"""The root of the one tree of errors, and the branches that storage raises.

::

    GradfoldError
    ├── UsageError              the call is wrong: nothing was started
    ├── StorageError            bytes could not be had, or put
    │   ├── NotFound
    │   ├── Unreachable         retryable: the other side did not answer
    │   ├── CorruptFile         a file of ours that fails its checksum
    │   └── IncompleteOutput    the output of a job that did not end, or not yet
    ├── DataError               bytes were had, and do not mean what they should
    │   ├── MalformedRecord
    │   ├── MixedFormats
    │   ├── EmptyDataset
    │   ├── SchemaMismatch
    │   ├── MissingValues
    │   ├── InvalidWeight
    │   └── UnsuitableLabels
    └── RunError                a run could not go on (``mr.errors``)

Every error says what happened, where, the likely cause and the remedy, keeps
the values as attributes, and survives pickling.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, TypeVar

E = TypeVar("E", bound="GradfoldError")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened; what is not known is ``None``.

    Parameters
    ----------
    file : str, optional
        URI of the file.
    line : int, optional
        Line in that file, from 1.
    offset : int, optional
        Byte offset of the record in that file, from 0.
    row : int, optional
        Row number in that file, from 0, for formats that have rows, not lines.
    column : str, optional
        Name of the column, or its number from 0.
    block : int, optional
        Index of the block in the dataset.
    attempt : str, optional
        Identity of the attempt that saw it.
    """

    file: str | None = None
    line: int | None = None
    offset: int | None = None
    row: int | None = None
    column: str | None = None
    block: int | None = None
    attempt: str | None = None

    def __str__(self) -> str:
        """Return ``file:line, byte 12, column x, block 3`` with the unknown left out."""
        parts = []
        if self.file is not None:
            parts.append(self.file if self.line is None else f"{self.file}:{self.line}")
        elif self.line is not None:
            parts.append(f"line {self.line}")
        named = (
            ("byte", self.offset),
            ("row", self.row),
            ("column", self.column),
            ("block", self.block),
            ("attempt", self.attempt),
        )
        parts.extend(f"{name} {value}" for name, value in named if value is not None)
        return ", ".join(parts)


NOWHERE = Place()


class GradfoldError(Exception):
    """Something went wrong; the root of every error that gradfold raises.

    Parameters
    ----------
    what : str
        What happened, one sentence without a full stop.
    place : Place
        Where it happened.
    cause : str
        The likely cause; empty if it is plain from ``what``.
    remedy : str
        What to do about it.
    """

    retryable: ClassVar[bool] = False
    exit_status: ClassVar[int] = 1

    def __init__(
        self, what: str, *, place: Place = NOWHERE, cause: str = "", remedy: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message as people read it: up to four short lines."""
        where = str(self.place)
        lines = [self.what]
        if where:
            lines.append(f"  where: {where}")
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, whatever the signature of a subclass."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    def at(self, **where: Any) -> Self:
        """Return this error with more of its place known; what was known stays.

        Parameters
        ----------
        **where
            Fields of `Place`.
        """
        known = {k: v for k, v in asdict(self.place).items() if v is not None}
        self.place = Place(**{**where, **known})
        return self


def _rebuild(cls: type[E], args: tuple[Any, ...], attributes: dict[str, Any]) -> E:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(attributes)
    return error


class UsageError(GradfoldError):
    """The call is wrong: an unknown option, a value out of range, a name not known."""

    exit_status = 2


class StorageError(GradfoldError):
    """Bytes could not be read or written."""


class NotFound(StorageError):
    """A path does not exist, or a pattern matches nothing."""

    exit_status = 2


class Unreachable(StorageError):
    """The other side did not answer; trying again may help."""

    retryable = True


class CorruptFile(StorageError):
    """A file written by gradfold fails its checksum or is cut short."""


class IncompleteOutput(StorageError):
    """A directory holds the output of a job that did not end, or has not ended yet."""


class DataError(GradfoldError):
    """The bytes were read, and do not mean what they should."""


class MalformedRecord(DataError):
    """A record cannot be parsed."""


class MixedFormats(DataError):
    """A dataset holds files of more than one format."""

    exit_status = 2


class EmptyDataset(DataError):
    """There are no records to work on."""


class SchemaMismatch(DataError):
    """A record contradicts the schema of its dataset."""


class MissingValues(DataError):
    """A value is missing where the computation needs one."""


class InvalidWeight(DataError):
    """A weight is negative or not a number."""


class UnsuitableLabels(DataError):
    """The labels do not suit the model: one class, too many classes, none at all."""
