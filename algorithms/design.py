"""A block laid out for kernels: tiles or compressed rows, class codes, weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.tiles import to_tiles
from mr.errors import SchemaMismatch
from mr.job import FoldJob
from mr.solver import Point
from mr.statistic import Sums
from mr.storage.cache import Entry
from mr.storage.columns import Columns, Sparse
from mr.storage.reader import BlockView
from mr.storage.schema import Schema

Array = NDArray[Any]

_LAYOUT = 1
"""Raised when the layout changes: what is cached under another is then stale."""


@dataclass(frozen=True, slots=True)
class Design:
    """The features of a block.

    Parameters
    ----------
    rows : int
    X : ndarray, shape (ceil(rows / 64), width, 64), or Sparse
        Tiles, or compressed rows; mapped from the cache.
    """

    rows: int
    X: Array | Sparse


def design(block: BlockView, schema: Schema) -> Design:
    """Lay out a block's features by a schema, or find them laid out in the cache.

    Raises
    ------
    SchemaMismatch
        If the block has columns that the schema does not know.
    """
    kind = f"{'sparse' if schema.sparse else 'dense'}-{schema.dtype}"
    name = f"design-{_LAYOUT}-{kind}-{schema.width}"
    meta, arrays = block.derived(name, lambda columns: _lay_out(columns, schema))
    if schema.sparse:
        X = Sparse(arrays["data"], arrays["indices"], arrays["indptr"], schema.width)
        return Design(meta["rows"], X)
    return Design(meta["rows"], arrays["tiles"])


def no_rows(schema: Schema) -> Design:
    """Return the design of no records, to compile kernels with."""
    if schema.sparse:
        nothing = np.zeros(0, schema.dtype), np.zeros(0, np.int32), np.zeros(1, np.int64)
        return Design(0, Sparse(*nothing, schema.width))
    return Design(0, to_tiles(np.zeros((0, schema.width), schema.dtype)))


def class_codes(block: BlockView, classes: Array) -> Array:
    """Return the place of each record's label among the classes, int8 for two, else int32.

    Raises
    ------
    SchemaMismatch
        If a label is not a class.
    """

    def make() -> Array:
        labels = block.y
        if labels is None:
            raise SchemaMismatch("The records have no labels", remedy="name their column: label=")
        if labels.dtype.kind != classes.dtype.kind:
            labels = labels.astype(classes.dtype.type)
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        unknown = np.flatnonzero(classes[codes] != labels)
        if unknown.size:
            raise SchemaMismatch(
                f"The label {labels[unknown[0]]!s} is none of the model's classes "
                f"{', '.join(map(str, classes[:10]))}",
                place=block.place(int(unknown[0])),
                remedy="leave such records out, or fit a model that knows the class",
            )
        return codes.astype(np.int8 if len(classes) == 2 else np.int32)

    return block.memo("codes", make)


def weights(block: BlockView, schema: Schema) -> Array | None:
    """Return the records' weights, or None where each weighs 1."""
    if not schema.weighted or block.weight is None:
        return None
    return block.memo("weights", lambda: np.asarray(block.weight))


class LayOut(FoldJob):
    """Lays out all blocks, so that rounds find them in the cache; depends on no label."""

    releases_lock = True

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def prepare(self) -> None:
        """Compile the kernel, by a call on no records."""
        no_rows(self.schema)

    def map(self, block: BlockView, point: Point) -> Sums | None:
        """Lay out one block and count its records."""
        del point
        rows = design(block, self.schema).rows
        return Sums(rows=rows) if rows else None


def _lay_out(columns: Columns, schema: Schema) -> Entry:
    features = columns.features
    if features is None:
        raise SchemaMismatch("The records have no features", remedy="read them in another format")
    if columns.width > schema.width:
        raise SchemaMismatch(
            f"The data has {columns.width} feature columns, the schema {schema.width}",
            remedy="pass features= (--features) with the full width when the model is fitted",
        )
    meta = {"rows": columns.rows}
    if not schema.sparse:
        X = features.dense(schema.width) if isinstance(features, Sparse) else features
        if X.shape[1] < schema.width:
            raise SchemaMismatch(f"The data has {X.shape[1]} columns, not {schema.width}")
        return meta, {"tiles": to_tiles(X.astype(schema.dtype, copy=False))}
    csr = features if isinstance(features, Sparse) else _compress(features)
    csr = replace(csr, data=csr.data.astype(schema.dtype, copy=False))
    return meta, {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}


def _compress(X: Array) -> Sparse:
    rows, columns = np.nonzero(X)
    indptr = np.searchsorted(rows, np.arange(len(X) + 1)).astype(np.int64)
    return Sparse(X[rows, columns], columns.astype(np.int32), indptr, X.shape[1])
