"""`Reader` and `BlockView`: a block as a map function sees it, cached behind its back."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property
from threading import Lock
from typing import Any

from mr.storage.blocks import Block
from mr.storage.cache import BlockCache, Entry
from mr.storage.columns import Array, Columns, Sparse, from_arrays, to_arrays
from mr.storage.dataset import Dataset
from mr.storage.errors import GradfoldError, Place

MEMO_BYTES = 256 << 20


class Memo:
    """Values derived from blocks, kept in this process up to a number of bytes."""

    def __init__(self, limit: int = MEMO_BYTES) -> None:
        self._limit = limit
        self._values: OrderedDict[str, Array] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], Array]) -> Array:
        """Return the value under ``key``, made if it is not there."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
                return value
        value = make()  # outside the lock: threads that race make equal values
        with self._lock:
            if key not in self._values:
                self._size += value.nbytes
            self._values[key] = value
            while self._size > self._limit and len(self._values) > 1:
                self._size -= self._values.popitem(last=False)[1].nbytes
        return value


class Reader:
    """Opens the blocks of one dataset in one process.

    Parameters
    ----------
    dataset : Dataset
    cache : BlockCache
        Holds decoded blocks and what is derived from them.
    """

    def __init__(self, dataset: Dataset, cache: BlockCache) -> None:
        self.dataset = dataset
        self.cache = cache
        self.memo = Memo()

    def open(self, index: int) -> BlockView:
        """Return a view of a block; nothing is read until it is asked for."""
        return BlockView(self, self.dataset.blocks[index])

    def __iter__(self) -> Iterator[BlockView]:
        """Go through all blocks in order."""
        return (self.open(block.index) for block in self.dataset.blocks)


class BlockView:
    """The selected records of one block: what ``map`` is given.

    Attributes
    ----------
    index : int
        The block's place in the dataset.
    columns : Columns
        All that was decoded.
    X : ndarray, shape (rows, width), or Sparse, or None
        Features; sparse ones have ``to_scipy``.
    y : ndarray, shape (rows,), or None
        Labels.
    weight : ndarray, shape (rows,), or None
        Weights.
    text : ndarray of bytes, or None
        Lines, for plain text.
    """

    def __init__(self, reader: Reader, block: Block) -> None:
        self._reader = reader
        self._block = block
        self.index = block.index

    @cached_property
    def columns(self) -> Columns:
        """All that was decoded."""
        dataset = self._reader.dataset
        try:
            return dataset.select(self._decoded())
        except GradfoldError as error:
            raise error.at(block=self.index) from None

    @property
    def rows(self) -> int:
        """Number of records."""
        return self.columns.rows

    @property
    def X(self) -> Array | Sparse | None:
        """Features."""
        return self.columns.features

    @property
    def y(self) -> Array | None:
        """Labels."""
        return self.columns.labels

    @property
    def weight(self) -> Array | None:
        """Weights."""
        return self.columns.weights

    @property
    def text(self) -> Array | None:
        """Lines of plain text."""
        return self.columns.text

    def place(self, row: int) -> Place:
        """Return where one of the records is."""
        columns = self.columns
        source = self._reader.dataset.source
        return source.place(int(columns.ordinal[row]), int(columns.position[row]))

    def derived(self, name: str, make: Callable[[Columns], Entry]) -> Entry:
        """Return arrays derived from the block, from the cache where they are in it.

        Parameters
        ----------
        name : str
            Says all that the arrays depend on beside the block and the selection.
        make : callable
            From the columns to (JSON values, named arrays).
        """
        key = self._key(name, str(self._reader.dataset.selections))
        return self._reader.cache.get_or_make(key, lambda: make(self.columns))

    def memo(self, name: str, make: Callable[[], Array]) -> Array:
        """Return an array derived from the block, kept in this process while there is room."""
        return self._reader.memo.get(f"{self.index}/{name}", make)

    def _decoded(self) -> Columns:
        source = self._reader.dataset.source
        if not source.costly:
            return source.read(self._block)
        key = self._key("decoded")
        entry = self._reader.cache.get_or_make(
            key, lambda: ({}, to_arrays(source.read(self._block)))
        )
        return from_arrays(entry[1])

    def _key(self, *parts: Any) -> str:
        source = self._reader.dataset.source
        return hashlib.sha256(
            "\0".join((self._block.identity, source.decoder, *parts)).encode()
        ).hexdigest()
