"""numpy, scipy, Arrow and pandas data in memory as a source of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mr.storage.columns import Array, Columns, Sparse, refuse_weights
from mr.storage.errors import Place, UsageError
from mr.storage.source import MemorySource

_URI = "memory:"
_MISSING = ("nan", "<NA>", "NaT")
"""What numpy's and pandas' missing values are written as, whatever library they come from."""


def from_arrays(
    X: Any,
    y: Any = None,
    *,
    weight: Any = None,
    id: Any = None,  # noqa: A002 - the word of `Dataset`
    names: Sequence[str] = (),
) -> MemorySource:
    """Take arrays as they are; nothing is copied that is of a fitting type already.

    Parameters
    ----------
    X : array-like, shape (rows, width), or scipy sparse matrix
        Float32 stays; anything else becomes float64.
    y : array-like, shape (rows,), optional
        Numbers or strings.
    weight : array-like, shape (rows,), optional
        Not negative, not NaN; zero is allowed.
    id : array-like, shape (rows,), optional
        Carried through to predictions.
    names : sequence of str
        Names of the columns of ``X``.

    Raises
    ------
    UsageError
        If the shapes do not agree.
    InvalidWeight
        If a weight is negative or NaN.
    """
    features = _features(X)
    rows = features.rows if isinstance(features, Sparse) else len(features)
    columns = Columns(
        ordinal=np.zeros(rows, np.int64),
        position=np.arange(rows, dtype=np.int64),
        features=features,
        labels=_column("y", _labels(y), rows),
        weights=_column("weight", _weights(weight), rows),
        ids=_column("id", _ids(id), rows),
    )
    if names and len(names) != columns.width:
        raise UsageError(f"{len(names)} names were given for {columns.width} columns")
    return MemorySource(columns, tuple(names))


def from_arrow(
    table: Any,
    *,
    label: str | None = None,
    weight: str | None = None,
    id: str | None = None,  # noqa: A002 - the word of `Dataset`
) -> MemorySource:
    """Take an Arrow table (or what pyarrow makes one of) apart into columns.

    Parameters
    ----------
    table : pyarrow.Table or RecordBatch
        All columns but the named ones are features and must be numeric; nulls are missing.
    label, weight, id : str, optional
        Names of columns.

    Raises
    ------
    UsageError
        If a named column is not there.
    MalformedRecord
        If a feature column is not numeric.
    """
    import pyarrow as pa

    from mr.storage import tables
    from mr.storage.formats.base import ReadOptions

    whole, options = pa.table(table), ReadOptions(label=label, weight=weight, id=id)
    names = tables.feature_names(whole.column_names, options, _URI)
    tables.refuse_unsuitable(whole.schema, names, _URI)

    def place(row: int, column: str | None) -> Place:
        return Place(file=_URI, row=row, column=column)

    rows = tables.Rows(0, np.arange(whole.num_rows, dtype=np.int64), place)
    features = tables.matrix(whole, names)
    return MemorySource(tables.columns_of(whole, features, options, rows), names)


def _features(X: Any) -> Array | Sparse:
    if hasattr(X, "tocsr"):
        matrix = X.tocsr()
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        data = _floats(matrix.data)
        indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int64)
        return Sparse(data, indices, indptr, matrix.shape[1])
    array = np.ascontiguousarray(_floats(np.asarray(X)))
    if array.ndim != 2:
        raise UsageError(
            f"X has {array.ndim} dimensions, not 2", remedy="reshape it to (rows, width)"
        )
    return array


def _floats(array: Array) -> Array:
    if array.dtype == np.float32:
        return array
    if array.dtype.kind == "c":
        raise UsageError(
            "X holds complex numbers", remedy="pass real and imaginary parts as columns"
        )
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"X does not hold numbers: {error}") from None


def _labels(y: Any) -> Array | None:
    if y is None:
        return None
    array = np.asarray(y)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    return _strings(array)


def _ids(id: Any) -> Array | None:  # noqa: A002 - the word of `Dataset`
    if id is None:
        return None
    array = np.asarray(id)
    if array.dtype.kind in "iu" and np.can_cast(array.dtype, np.int64):
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    return _strings(array)


def _strings(array: Array) -> Array:
    """Return values as text, and those that are missing as the empty string."""
    if array.dtype.kind == "O":
        missing = [
            v is None or (not isinstance(v, str) and str(v) in _MISSING) for v in array.ravel()
        ]
        array = np.where(np.reshape(np.array(missing, bool), array.shape), "", array)
    return array.astype(str)


def _weights(weight: Any) -> Array | None:
    if weight is None:
        return None
    array = np.asarray(weight, dtype=np.float64)
    refuse_weights(array, None, lambda row, _: Place(row=row))
    return array


def _column(name: str, array: Array | None, rows: int) -> Array | None:
    if array is not None and array.shape != (rows,):
        raise UsageError(f"{name} has shape {array.shape}, and X has {rows} rows")
    return array
