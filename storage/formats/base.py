"""The contract of a format: bytes in, `Columns` out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How records are to be read; each format uses what applies to it.

    Parameters
    ----------
    label : str, optional
        Column that holds the label: a name, or for npy a column number (-1 is the last).
        Libsvm has the label first in each line whatever is said here. None: no labels
        (libsvm: the label is still read).
    weight : str, optional
        Column that holds the weight of each record.
    id : str, optional
        Column that identifies a record, carried through to predictions.
    features : int, optional
        Width of the feature space; None: as wide as the data.
    zero_based : bool
        Libsvm only: columns count from 0; by default from 1.
    dtype : str
        ``float64`` or ``float32``: what numbers are decoded to where the file
        itself does not say (text formats).
    label_type : {"auto", "number", "string"}
        What labels are. ``auto`` takes numbers where all labels that are decoded together
        are numbers, and strings otherwise; one that is asked for holds everywhere.
    bad_records : int
        How many malformed records of a text format may be left out.
    """

    label: str | None = None
    weight: str | None = None
    id: str | None = None
    features: int | None = None
    zero_based: bool = False
    dtype: str = "float64"
    label_type: str = "auto"
    bad_records: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of all its records, read once on the driver.

    Parameters
    ----------
    names : tuple of str
        Names of the feature columns in order; empty where the format has none.
    facts : mapping
        The format's own, JSON-like: it goes to workers as it is.
    """

    names: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Format(ABC):
    """Reads one kind of file. Instances hold no state and are safe to share.

    A new format is a subclass, named in the registry ``gradfold.formats``.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    version: ClassVar[int] = 1
    """Raised when the same bytes would decode to other columns: cached blocks are then stale."""
    unit: ClassVar[Literal["byte", "row"]] = "byte"
    """What a record's position counts."""
    costly: ClassVar[bool] = True
    """Whether decoding costs so much more than reading that decoded blocks are worth caching."""

    @abstractmethod
    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read what is needed of one file before it can be split.

        Raises
        ------
        DataError
            If the file is not of this format, is cut short, or lacks a named column.
        UsageError
            If an option does not apply.
        """

    @abstractmethod
    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut one file into pieces of about ``block_size`` bytes, in order."""

    @abstractmethod
    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Decode the records of one piece, in order.

        Raises
        ------
        MalformedRecord
            With file, line or byte offset, cause and remedy.
        """
