"""Arrow tables as `Columns`: what all formats with named columns have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mr.storage.columns import Array, Columns, PlaceOf, refuse_weights
from mr.storage.errors import MalformedRecord, Place, UsageError
from mr.storage.formats.base import ReadOptions

MISSING = ("", "NA", "N/A", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None", "#N/A")
"""Texts that stand for a missing number."""

_LISTED = 12
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_null,
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of a table come from.

    Parameters
    ----------
    ordinal : int
        Of the file.
    position : ndarray of int64, shape (rows,)
        Of each row in that file.
    place : callable
        Says where a row is, for errors; it may read the file again.
    """

    ordinal: int
    position: Array
    place: PlaceOf


def feature_names(names: Sequence[str], options: ReadOptions, uri: str) -> tuple[str, ...]:
    """Return the columns that are features: all but those with a role of their own.

    Raises
    ------
    UsageError
        If a column that an option names is not there, or two have one name.
    """
    shown = ", ".join(map(str, names[:_LISTED])) + (", …" if len(names) > _LISTED else "")
    for option in ("label", "weight", "id"):
        name = getattr(options, option)
        if name is not None and name not in names:
            raise UsageError(
                f"There is no column {name!r} to take the {option} from",
                place=Place(file=uri),
                remedy=f"the columns are {shown}",
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise MalformedRecord(
            f"Two columns are named {twice!r}",
            place=Place(file=uri, column=twice),
            remedy="give each column a name of its own",
        )
    roles = {options.label, options.weight, options.id}
    return tuple(name for name in names if name not in roles)


def refuse_unsuitable(schema: pa.Schema, names: Sequence[str], uri: str) -> None:
    """Raise `MalformedRecord` if one of the feature columns does not hold numbers."""
    for name in names:
        kind = schema.field(name).type
        if not is_number(kind):
            raise MalformedRecord(
                f"The column {name!r} holds {kind}, not numbers",
                place=Place(file=uri, column=name),
                cause="every column that is not label, weight or id is a feature",
                remedy="name it as label= or id= if it is that; else encode it as numbers, "
                "or leave it out of the file",
            )


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of an Arrow type are read as numbers."""
    return any(test(kind) for test in _NUMBERS)


def columns_of(table: pa.Table, features: Array, options: ReadOptions, rows: Rows) -> Columns:
    """Take labels, weights and ids out of a table, and join them to its features.

    Parameters
    ----------
    table : pyarrow.Table
        With all columns that `options` names.
    features : ndarray, shape (rows, width)
        See `matrix`.
    options : ReadOptions
    rows : Rows

    Raises
    ------
    MalformedRecord
        If labels that should be numbers are not.
    InvalidWeight
        If a weight is negative, infinite or missing.
    """

    def column(name: str | None) -> pa.ChunkedArray | None:
        return None if name is None else _plain(table.column(name))

    label, weight, key = column(options.label), column(options.weight), column(options.id)
    return Columns(
        ordinal=np.full(table.num_rows, rows.ordinal, np.int64),
        position=rows.position,
        features=features,
        labels=None if label is None else labels(label, options, rows.place),
        weights=None if weight is None else weights(weight, options.weight, rows.place),
        ids=None if key is None else ids(key, options.id, rows.place),
    )


def matrix(table: pa.Table, names: Sequence[str]) -> Array:
    """Return columns of numbers as a matrix: float32 if all are, else float64; nulls are NaN."""
    kinds = [table.schema.field(name).type for name in names]
    narrow = bool(kinds) and all(pa.types.is_float32(k) or pa.types.is_float16(k) for k in kinds)
    out = np.empty((table.num_rows, len(names)), np.float32 if narrow else np.float64)
    for number, name in enumerate(names):
        out[:, number] = floats(table.column(name), out.dtype)
    return out


def floats(column: pa.ChunkedArray, dtype: Any = np.float64) -> Array:
    """Return numbers as floats; nulls are NaN, and large integers are rounded."""
    cast = column.cast(pa.from_numpy_dtype(dtype), safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False))


def labels(column: pa.ChunkedArray, options: ReadOptions, place: PlaceOf) -> Array:
    """Return labels as float64 or strings, as ``options.label_type`` says.

    A missing label is NaN, or the empty string.
    """
    wanted = options.label_type
    if is_number(column.type) and wanted != "string":
        return floats(column)
    text = pc.utf8_trim_whitespace(_text(column, options.label, place))
    numbers = None if wanted == "string" else _numbers(text)
    if numbers is None and wanted == "number":
        raise _not_a_number(text, options.label, place)
    return _strings(text) if numbers is None else numbers


def weights(column: pa.ChunkedArray, name: str | None, place: PlaceOf) -> Array:
    """Return weights as float64, none of them negative, infinite or missing."""
    if not is_number(column.type):
        text = pc.utf8_trim_whitespace(_text(column, name, place))
        numbers = _numbers(text)
        if numbers is None:
            raise _not_a_number(text, name, place)
    else:
        numbers = floats(column)
    refuse_weights(numbers, name, place)
    return numbers


def ids(column: pa.ChunkedArray, name: str | None, place: PlaceOf) -> Array:
    """Return the user's keys: int64, float64 or strings, by the type of the column."""
    if pa.types.is_integer(column.type) and column.null_count == 0:
        with contextlib.suppress(pa.ArrowInvalid):  # unsigned ones may be too large
            return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if pa.types.is_floating(column.type):
        return floats(column)
    return _strings(_text(column, name, place))


def _text(column: pa.ChunkedArray, name: str | None, place: PlaceOf) -> pa.ChunkedArray:
    """Return a column as strings, of whatever it is that can be written as one."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise MalformedRecord(
            f"A column of {column.type} is neither numbers nor text",
            place=place(0, name),
            remedy="name another column, or write this one as text",
        ) from None


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column that holds them through a dictionary."""
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _numbers(text: pa.ChunkedArray) -> Array | None:
    """Return text as float64 if all of it is numbers or missing."""
    known = pc.if_else(
        pc.is_in(text, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), text
    )
    try:
        return floats(known.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None


def _strings(text: pa.ChunkedArray) -> Array:
    values = np.asarray(text.fill_null("").to_numpy(zero_copy_only=False))
    return values.astype(str) if len(values) else np.zeros(0, "U1")


def _not_a_number(text: pa.ChunkedArray, name: str | None, place: PlaceOf) -> MalformedRecord:
    bad = next(row for row in range(len(text)) if _numbers(text[row : row + 1]) is None)
    return MalformedRecord(
        f"The value {text[bad].as_py()!r} is not a number",
        place=place(bad, name),
        remedy='correct it, or pass label_type="string" if labels are names',
    )
