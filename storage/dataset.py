"""`Dataset`: ordered blocks of records, a selection among them, and how to read them."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mr.storage import formats
from mr.storage.blocks import Block, default_block_size
from mr.storage.columns import Columns
from mr.storage.errors import NOWHERE, Place, UsageError
from mr.storage.filesystem import list_files
from mr.storage.formats.base import ReadOptions
from mr.storage.random import uniform
from mr.storage.source import FileSource, Source

Location = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Records whose number for (seed, purpose) lies in ``[low, high)``."""

    seed: int
    purpose: str
    low: float
    high: float

    def mask(self, columns: Columns) -> NDArray[np.bool_]:
        """Return which records are selected."""
        drawn = uniform(
            self.seed,
            self.purpose,
            columns.ordinal.astype(np.uint64),
            columns.position.astype(np.uint64),
        )
        return (self.low <= drawn) & (drawn < self.high)


class Dataset:
    """Records on any fsspec storage, or in memory, cut into blocks.

    Making one lists the files and reads their headers; records are read when
    something is computed from them.

    Parameters
    ----------
    source : str, path, or sequence of these
        A file, a directory, a glob, or a list of files; any fsspec URL.
    format : str, optional
        ``libsvm``, ``csv``, ``jsonl``, ``parquet``, ``arrow``, ``npy`` or
        ``text``, or one that is registered; by default told by the suffix.
    label, weight, id : str, optional
        Columns of the label, the weight, and the user's own key of a record.
    features : int, optional
        Width of the feature space, where the data may not show all of it.
    zero_based : bool
        Libsvm: columns count from 0.
    dtype : {"float64", "float32"}
        What text is decoded to.
    label_type : {"auto", "number", "string"}
        What labels are; ``auto`` takes numbers where all of them are.
    on_bad_record : str
        ``fail``, or ``skip:MAX``: leave out up to so many malformed records of text
        files; how many there were is part of the schema.
    block_size : int, optional
        Bytes; by default a function of the data's size.

    Raises
    ------
    NotFound
        If there is no such file.
    MixedFormats
        If the files are of more than one format.
    UsageError
        If the format cannot be told, or an option does not apply.

    Examples
    --------
    >>> import numpy as np
    >>> from mr import Dataset
    >>> data = Dataset.from_arrays(np.zeros((5, 2)), np.arange(5.0))
    >>> len(data.blocks), data
    (1, Dataset(memory, 1 block))
    """

    def __init__(  # noqa: PLR0913 - the fields of `ReadOptions`, by name
        self,
        source: Location | Sequence[Location],
        *,
        format: str | None = None,  # noqa: A002 - the word that users know
        label: str | None = None,
        weight: str | None = None,
        id: str | None = None,  # noqa: A002 - likewise
        features: int | None = None,
        zero_based: bool = False,
        dtype: str = "float64",
        label_type: str = "auto",
        on_bad_record: str = "fail",
        block_size: int | None = None,
    ) -> None:
        if dtype not in ("float64", "float32"):
            raise UsageError(f"dtype {dtype!r} is neither float64 nor float32")
        if label_type not in ("auto", "number", "string"):
            raise UsageError(f"label_type {label_type!r} is not auto, number or string")
        options = ReadOptions(
            label=label,
            weight=weight,
            id=id,
            features=features,
            zero_based=zero_based,
            dtype=dtype,
            label_type=label_type,
            bad_records=parse_skip(on_bad_record),
        )
        files = list_files(source)
        reader = formats.get(format or formats.detect(files))
        self._begin(FileSource.open(files, reader, options), block_size)

    def _begin(self, source: Source, block_size: int | None) -> None:
        if block_size is not None and block_size < 1:
            raise UsageError(f"A block size of {block_size} bytes is not positive")
        self.source = source
        self.block_size = block_size or default_block_size(source.nbytes)
        self.selections: tuple[Selection, ...] = ()
        self._only: int | None = None

    @classmethod
    def of(cls, source: Source, block_size: int | None = None) -> Self:
        """Make a dataset of a source of one's own."""
        dataset = cls.__new__(cls)
        cls._begin(dataset, source, block_size)
        return dataset

    @classmethod
    def from_arrays(cls, X: Any, y: Any = None, **options: Any) -> Self:
        """Make a dataset of numpy arrays or a scipy sparse matrix; see `memory.from_arrays`."""
        from mr.storage import memory

        block_size = options.pop("block_size", None)
        return cls.of(memory.from_arrays(X, y, **options), block_size)

    @classmethod
    def from_arrow(cls, table: Any, **options: Any) -> Self:
        """Make a dataset of an Arrow table; see `memory.from_arrow`."""
        from mr.storage import memory

        block_size = options.pop("block_size", None)
        return cls.of(memory.from_arrow(table, **options), block_size)

    @classmethod
    def from_pandas(cls, frame: Any, **options: Any) -> Self:
        """Make a dataset of a pandas frame; see `memory.from_arrow`."""
        import pyarrow as pa

        return cls.from_arrow(pa.Table.from_pandas(frame, preserve_index=False), **options)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, in order."""
        return self._all if self._only is None else (self._all[self._only],)

    @cached_property
    def _all(self) -> tuple[Block, ...]:
        return self.source.blocks(self.block_size)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns; empty where the format has none."""
        return self.source.names

    @property
    def bad_records(self) -> int:
        """How many malformed records may be left out."""
        return self.source.options.bad_records if isinstance(self.source, FileSource) else 0

    @property
    def where(self) -> Place:
        """The first file, for messages; nowhere for data in memory."""
        if isinstance(self.source, FileSource):
            return Place(file=self.source.files[0].uri)
        return NOWHERE

    def digest(self) -> str:
        """Return a digest of what is read and how: files, bounds, decoder, selection."""
        digest = hashlib.sha256(f"{self.source.decoder}{self.selections}".encode())
        for block in self.blocks:
            digest.update(block.identity.encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any] | None:
        """Return JSON values from which `from_description` makes the same dataset again.

        None for data in memory, which nothing but itself describes.
        """
        if not isinstance(self.source, FileSource):
            return None
        return {
            "files": [file.uri for file in self.source.files],
            "format": self.source.format.name,
            "options": asdict(self.source.options),
            "block_size": self.block_size,
            "selections": [asdict(selection) for selection in self.selections],
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Dataset:
        """Return the dataset that `describe` described, with its files as they are now."""
        dataset = cls(
            description["files"],
            format=description["format"],
            block_size=description["block_size"],
            **_arguments(description["options"]),
        )
        selections = tuple(Selection(**s) for s in description["selections"])
        return dataset._with(selections=selections)

    def whole(self) -> Dataset:
        """Return the dataset without its selections."""
        return self._with(selections=(), _only=None)

    def only(self, index: int) -> Dataset:
        """Return one block alone, under the index that it has here: to look into a failure."""
        if not 0 <= index < len(self._all):
            raise UsageError(
                f"There is no block {index}", remedy=f"the last block is {len(self._all) - 1}"
            )
        return self._with(_only=index)

    def random_split(self, shares: Sequence[float], seed: int = 0) -> tuple[Dataset, ...]:
        """Split the records at random, each by its own identity.

        Which part a record falls into depends on the seed and the record's
        place in its file alone: not on blocks, workers or engine.

        Parameters
        ----------
        shares : sequence of float
            Positive; scaled to sum to 1.
        seed : int
            Any integer.

        Returns
        -------
        tuple of Dataset
            One for each share: disjoint, and together all records.
        """
        if not len(shares) or not all(0 < share < math.inf for share in shares):
            raise UsageError(f"Shares {list(shares)} of a split are not all positive")
        bounds = [0.0, *(np.cumsum(shares) / np.sum(shares)).tolist()]
        bounds[-1] = 1.0
        purpose = f"split-{len(self.selections)}"
        return tuple(
            self._with(selections=(*self.selections, Selection(seed, purpose, low, high)))
            for low, high in pairwise(bounds)
        )

    def sample(self, share: float, seed: int = 0) -> Dataset:
        """Return a random share of the records, each by its own identity.

        Parameters
        ----------
        share : float
            Between 0 and 1.
        seed : int
            Any integer.
        """
        if not 0 < share <= 1:
            raise UsageError(f"A share of {share} is not between 0 and 1")
        purpose = f"sample-{len(self.selections)}"
        return self._with(selections=(*self.selections, Selection(seed, purpose, 0.0, share)))

    def read(self, index: int) -> Columns:
        """Decode a block and return its selected records."""
        return self.select(self.source.read(self.blocks[index]))

    def select(self, columns: Columns) -> Columns:
        """Return the records among ``columns`` that the selections keep."""
        if not self.selections:
            return columns
        kept = np.ones(columns.rows, dtype=bool)
        for selection in self.selections:
            kept &= selection.mask(columns)
        return columns.take(np.flatnonzero(kept))

    def _with(self, **changes: Any) -> Self:
        _ = self._all  # cut once: the copy has the same blocks
        other = copy(self)
        vars(other).update(changes)
        return other

    def __repr__(self) -> str:
        """Show where the data is and how it is cut."""
        kind = self.source.format.name if isinstance(self.source, FileSource) else "memory"
        count = len(self.blocks)
        return f"Dataset({kind}, {count} block{'s' if count != 1 else ''})"


def parse_skip(text: str) -> int:
    """Return how many may be left out: 0 for ``fail``, MAX for ``skip:MAX``.

    Raises
    ------
    UsageError
        If it is something else.
    """
    word, _, most = text.partition(":")
    if text == "fail":
        return 0
    if word == "skip" and most.isdecimal() and int(most) > 0:
        return int(most)
    raise UsageError(f"{text!r} is neither fail nor skip:MAX", remedy="write skip:3, or fail")


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return read options as arguments of `Dataset`."""
    arguments = dict(options)
    most = arguments.pop("bad_records", 0)
    return arguments | {"on_bad_record": f"skip:{most}" if most else "fail"}
