"""What files of typed rows (Parquet, Arrow) have in common: opening, failing, features."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mr.storage import tables
from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Array, Columns, PlaceOf
from mr.storage.errors import DataError, GradfoldError, MalformedRecord, Place, StorageError
from mr.storage.filesystem import is_local, locate, open_input
from mr.storage.formats.base import Header, ReadOptions
from mr.storage.translate import translate


@contextlib.contextmanager
def opened(uri: str, kind: str) -> Iterator[Any]:
    """Open a file for Arrow's readers, and translate what they raise inside the ``with``.

    Parameters
    ----------
    uri : str
    kind : str
        What the file should be, for messages.

    Raises
    ------
    DataError
        If the file is not of its kind, is cut short or damaged.
    StorageError
        If it cannot be read, for want of memory too.
    """
    try:
        with pa.OSFile(locate(uri)[1]) if is_local(uri) else open_input(uri) as source:
            yield source
    except GradfoldError:
        raise
    except MemoryError as error:
        raise _too_large(error, uri, kind) from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter of names
        raise _damaged(error, uri, kind) from error
    except OSError as error:
        # Arrow says by an OSError of no number that what it read makes no sense.
        if type(error) is OSError and error.errno is None:
            raise _damaged(error, uri, kind) from error
        raise translate(error, uri) or error from error


def refuse_empty(file: FileInfo, kind: str) -> None:
    """Raise `DataError` if a file has no bytes at all, which no kind of these may."""
    if file.size == 0:
        raise _damaged(ValueError("it has no bytes"), file.uri, kind)


def _damaged(error: Exception, uri: str, kind: str) -> DataError:
    text = str(error).strip().splitlines()
    return DataError(
        f"The file cannot be read as {kind}: {text[0] if text else type(error).__name__}",
        place=Place(file=uri),
        cause="it is cut short or damaged, or is not what its name says",
        remedy="copy it again from where it came from, or write it again",
    )


def _too_large(error: MemoryError, uri: str, kind: str) -> StorageError:
    # Not an error of the data, which may be skipped: another machine may have the memory.
    return StorageError(
        f"The file cannot be read as {kind}: {str(error) or 'there is no memory left'}",
        place=Place(file=uri),
        cause="it is damaged, and names a size that it does not have; or its row groups or record "
        "batches are larger than what memory is left",
        remedy="copy it again from where it came from, or write it in smaller row groups or "
        "batches",
    )


def header_of(schema: pa.Schema, options: ReadOptions, uri: str, **facts: Any) -> Header:
    """Return the header of a file with an Arrow schema, and refuse what is not numeric.

    The one feature column may hold lists of numbers: it is the matrix then, and
    the fact ``vector`` is its name.
    """
    names = tables.feature_names(schema.names, options, uri)
    if len(names) == 1 and _is_vector(schema.field(names[0]).type):
        return Header((), {**facts, "vector": names[0]})
    tables.refuse_unsuitable(schema, names, uri)
    return Header(names, {**facts, "vector": None})


def _is_vector(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists) and tables.is_number(kind.value_type)


def columns_of(
    table: pa.Table, piece: Piece, first: int, header: Header, options: ReadOptions
) -> Columns:
    """Decode a table whose first row is row ``first`` of its file."""

    def place(row: int, column: str | None) -> Place:
        return Place(file=piece.uri, row=first + row, column=column)

    position = np.arange(first, first + table.num_rows, dtype=np.int64)
    vector = header.facts["vector"]
    features = (
        tables.matrix(table, header.names)
        if vector is None
        else _matrix(table.column(vector), vector, options.features, place)
    )
    return tables.columns_of(table, features, options, tables.Rows(piece.ordinal, position, place))


def _matrix(column: pa.ChunkedArray, name: str, width: int | None, place: PlaceOf) -> Array:
    """Return a column of lists of one length as a matrix."""
    lengths = np.asarray(pc.list_value_length(column).fill_null(-1))
    width = width if width is not None else int(lengths[0]) if len(lengths) else 0
    wrong = np.flatnonzero(lengths != width)
    if len(wrong):
        row = int(wrong[0])
        raise MalformedRecord(
            f"A list has {lengths[row]} values, and {width} are expected"
            if lengths[row] >= 0
            else "A list is missing",
            place=place(row, name),
            cause="the lists are the rows of one matrix, all of one length",
            remedy="write lists of one length, or say the length with features=",
        )
    values = pc.list_flatten(column)
    narrow = pa.types.is_float32(values.type) or pa.types.is_float16(values.type)
    return tables.floats(values, np.float32 if narrow else np.float64).reshape(-1, width)


def row_bounds(rows: Sequence[int]) -> list[int]:
    """Return the number of the first row of each group, and of one behind the last."""
    return [0, *np.cumsum(rows, dtype=np.int64).tolist()]
