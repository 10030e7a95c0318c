"""`Columns`: the decoded records of one piece or block of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.storage.errors import InvalidWeight, Place, SchemaMismatch

Array = NDArray[Any]

PlaceOf = Callable[[int, str | None], Place]
"""From the number of a row in the table, and a column's name, to its place in the file."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """Rows of a sparse matrix in compressed-row form (CSR).

    Parameters
    ----------
    data : ndarray of float32 or float64, shape (nnz,)
        The stored values.
    indices : ndarray of int32, shape (nnz,)
        Column of each value, from 0, rising within a row.
    indptr : ndarray of int64, shape (rows + 1,)
        Row ``i`` is ``data[indptr[i]:indptr[i + 1]]``.
    width : int
        Number of columns, at least the largest index + 1.
    """

    data: Array
    indices: Array
    indptr: Array
    width: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def take(self, rows: Array) -> Sparse:
        """Return the given rows, in the given order.

        Parameters
        ----------
        rows : ndarray of int, shape (k,)
            Row numbers.
        """
        starts, lengths = self.indptr[rows], np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Sparse(self.data[source], self.indices[source], indptr, self.width)

    def slice(self, start: int, stop: int) -> Sparse:
        """Return the rows ``[start, stop)`` as views."""
        first, last = self.indptr[start], self.indptr[stop]
        indptr = self.indptr[start : stop + 1] - first
        return Sparse(self.data[first:last], self.indices[first:last], indptr, self.width)

    def to_scipy(self) -> Any:
        """Return the rows as a `scipy.sparse.csr_array`, which shares their memory."""
        from scipy.sparse import csr_array

        shape = (self.rows, self.width)
        return csr_array((self.data, self.indices, self.indptr), shape=shape)

    def dense(self, width: int) -> Array:
        """Return the rows as a dense matrix of the given width."""
        out = np.zeros((self.rows, width), dtype=self.data.dtype)
        out[np.repeat(np.arange(self.rows), np.diff(self.indptr)), self.indices] = self.data
        return out


@dataclass(frozen=True, slots=True)
class Columns:
    """Decoded records, in input order.

    Parameters
    ----------
    ordinal : ndarray of int64, shape (rows,)
        Ordinal of each record's file in the dataset's listing.
    position : ndarray of int64, shape (rows,)
        Byte offset (text) or row number (other formats) in that file; with
        `ordinal` it is the record's identity.
    features : ndarray, shape (rows, width), Sparse, or None
        Float32 or float64; missing values are NaN. None for plain text.
    labels : ndarray, shape (rows,), optional
        Float64, or strings (kind ``U``).
    weights : ndarray of float64, shape (rows,), optional
        None means that every record weighs 1.
    ids : ndarray, shape (rows,), optional
        Int64, float64 or strings: the user's own key, carried through to predictions.
    text : ndarray of bytes (kind ``O``), shape (rows,), optional
        The raw records of plain text, without line ends.
    skipped : ndarray of int64, shape (k, 2), optional
        Ordinal and position of the malformed records that were left out.
    """

    ordinal: Array
    position: Array
    features: Array | Sparse | None = None
    labels: Array | None = None
    weights: Array | None = None
    ids: Array | None = None
    text: Array | None = None
    skipped: Array | None = None

    @property
    def rows(self) -> int:
        """Number of records."""
        return len(self.ordinal)

    @property
    def width(self) -> int:
        """Number of feature columns seen; 0 where there are none."""
        if self.features is None:
            return 0
        return self.features.width if isinstance(self.features, Sparse) else self.features.shape[1]

    def take(self, rows: Array) -> Columns:
        """Return the given records, in the given order.

        Parameters
        ----------
        rows : ndarray of int, shape (k,)
            Row numbers.
        """
        return self._map(lambda column: column[rows], lambda sparse: sparse.take(rows))

    def slice(self, start: int, stop: int) -> Columns:
        """Return the records ``[start, stop)`` as views."""
        return self._map(lambda column: column[start:stop], lambda s: s.slice(start, stop))

    def read_only(self) -> Columns:
        """Return the records as views that cannot be written to."""
        return self._map(
            _read_only,
            lambda s: Sparse(
                _read_only(s.data), _read_only(s.indices), _read_only(s.indptr), s.width
            ),
        )

    def _map(self, dense: Callable[[Array], Array], sparse: Callable[[Sparse], Sparse]) -> Columns:
        def each(column: Any) -> Any:
            if column is None:
                return None
            return sparse(column) if isinstance(column, Sparse) else dense(column)

        columns = {name: each(getattr(self, name)) for name in self.__slots__ if name != "skipped"}
        return Columns(**columns, skipped=self.skipped)


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Join decoded pieces in order.

    Parameters
    ----------
    parts : sequence of Columns
        At least one; either all have a column or none has it.

    Returns
    -------
    Columns
        All records; sparse parts take the width of the widest.

    Raises
    ------
    SchemaMismatch
        If labels are numbers in one part and strings in another, or dense parts
        differ in width.
    """
    left_out = [part.skipped for part in parts if part.skipped is not None]
    skipped = np.concatenate(left_out) if left_out else None
    parts = [part for part in parts if part.rows] or parts[:1]
    if len(parts) == 1:
        return replace(parts[0], skipped=skipped)
    joined: dict[str, Any] = {}
    for name in ("ordinal", "position", "labels", "weights", "ids", "text"):
        columns = [getattr(part, name) for part in parts]
        if name == "labels" and columns[0] is not None:
            columns = _of_one_kind(columns)
        joined[name] = None if columns[0] is None else np.concatenate(columns)
    features = _join([part.features for part in parts])
    return Columns(**joined, features=features, skipped=skipped)


def _of_one_kind(labels: list[Array]) -> list[Array]:
    """Return labels that are all numbers or all strings; what is missing is of either kind."""
    numbers = [part[~np.isnan(part)] for part in labels if part.dtype.kind == "f"]
    if len(numbers) == len(labels):
        return labels
    strings = next(part for part in labels if part.dtype.kind != "f")
    for present in numbers:
        hold_to_one_kind(strings, present)
    return [np.full(len(p), "") if p.dtype.kind == "f" else p for p in labels]


def hold_to_one_kind(a: Array | None, b: Array | None) -> None:
    """Refuse labels that are numbers in one share of the data and strings in another.

    Raises
    ------
    SchemaMismatch
        With the remedy.
    """
    if a is None or b is None or not len(a) or not len(b) or a.dtype.kind == b.dtype.kind:
        return
    numbers, strings = (a, b) if a.dtype.kind == "f" else (b, a)
    raise SchemaMismatch(
        f"Some labels are numbers, such as {numbers[0]:g}, and some are not, "
        f"such as {str(strings[0])!r}",
        cause="in one block or file every label reads as a number, in another they do not",
        remedy="pass label_type='string' (--label-type string), or mend the labels",
    )


def refuse_weights(values: Array, name: str | None, place: PlaceOf) -> None:
    """Raise `InvalidWeight` for the first weight that is negative, infinite or NaN."""
    wrong = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
    if len(wrong):
        value = values[wrong[0]]
        raise InvalidWeight(
            "A weight is missing" if np.isnan(value) else f"A weight is {value:g}",
            place=place(int(wrong[0]), name),
            cause="weights are finite and not negative; zero leaves a record out",
            remedy="correct the weight, or remove the record",
        )


def _join(features: Sequence[Array | Sparse | None]) -> Array | Sparse | None:
    sparse = [f for f in features if isinstance(f, Sparse)]
    if sparse:
        ends = np.cumsum([0, *(len(f.data) for f in sparse)])
        pointers = [f.indptr[1:] + end for f, end in zip(sparse, ends, strict=False)]
        return Sparse(
            np.concatenate([f.data for f in sparse]),
            np.concatenate([f.indices for f in sparse]),
            np.concatenate([np.zeros(1, np.int64), *pointers]),
            max(f.width for f in sparse),
        )
    dense = [f for f in features if f is not None and not isinstance(f, Sparse)]
    widths = sorted({f.shape[1] for f in dense})
    if len(widths) > 1:
        raise SchemaMismatch(
            f"Some records have {widths[0]} feature columns, and some have {widths[-1]}",
            cause="the files of the dataset hold matrices of different widths",
            remedy="read them as separate datasets, or make the widths agree",
        )
    return np.concatenate(dense) if dense else None


_OPTIONAL = ("labels", "weights", "ids", "skipped")


def to_arrays(columns: Columns) -> dict[str, Array]:
    """Return the columns as named arrays; `from_arrays` takes them back. Text is left out."""
    arrays: dict[str, Array] = {"ordinal": columns.ordinal, "position": columns.position}
    features = columns.features
    if isinstance(features, Sparse):
        arrays |= {
            "data": features.data,
            "indices": features.indices,
            "indptr": features.indptr,
            "width": np.array(features.width),
        }
    elif features is not None:
        arrays["features"] = features
    optional = {name: getattr(columns, name) for name in _OPTIONAL}
    return arrays | {name: array for name, array in optional.items() if array is not None}


def from_arrays(arrays: Mapping[str, Array]) -> Columns:
    """Return the columns that `to_arrays` named."""
    fields: dict[str, Any] = {
        name: arrays.get(name) for name in ("ordinal", "position", *_OPTIONAL)
    }
    features: Array | Sparse | None = arrays.get("features")
    if "indptr" in arrays:
        width = int(arrays["width"])
        features = Sparse(arrays["data"], arrays["indices"], arrays["indptr"], width)
    return Columns(features=features, **fields)
