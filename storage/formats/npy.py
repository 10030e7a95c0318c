"""npy: one matrix of numbers, mapped into memory where the disk is local."""

from __future__ import annotations

import io
from tokenize import TokenError
from typing import Any, ClassVar, Literal

import numpy as np

from mr.storage.blocks import KIB, FileInfo, Piece, ranges
from mr.storage.columns import Array, Columns, refuse_weights
from mr.storage.errors import DataError, Place, UsageError
from mr.storage.filesystem import is_local, locate, read_range
from mr.storage.formats.base import Format, Header, ReadOptions
from mr.storage.translate import translated

_HEADER = 64 * KIB  # numpy itself refuses longer ones of version 1
# A header is a Python literal, and what numpy raises for what is none depends on where it fails.
_NOT_A_HEADER = (ValueError, EOFError, SyntaxError, TokenError, TypeError, KeyError, RecursionError)


class Npy(Format):
    """Reads a matrix that ``numpy.save`` wrote, by ranges of rows.

    Float32 stays, other numbers and booleans become float64. Label, weight and id
    are columns by number: ``label="-1"`` is the last.
    """

    name: ClassVar[str] = "npy"
    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    unit: ClassVar[Literal["byte", "row"]] = "row"
    costly: ClassVar[bool] = False

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read shape and type."""
        shape, fortran, dtype, start = _header(file)
        _refuse_shape(file, shape, dtype)
        if fortran and shape[0] > 1 and shape[1] > 1 and not is_local(file.uri):
            raise UsageError(
                "The matrix is stored by columns (Fortran order), which only local files may be",
                place=Place(file=file.uri),
                remedy="save it with numpy.ascontiguousarray, or copy the file to a local disk",
            )
        if file.size < start + shape[0] * shape[1] * dtype.itemsize:
            raise _damaged(file, "it is shorter than its header says")
        facts = {"shape": list(shape), "fortran": fortran, "dtype": dtype.str, "start": start}
        for name in (options.label, options.weight, options.id):
            _column(name, shape[1], file.uri)
        return Header(facts=facts)

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at rows."""
        rows, width = header.facts["shape"]
        row_size = width * np.dtype(header.facts["dtype"]).itemsize
        step = max(1, block_size // max(1, row_size))
        return [
            Piece(file.uri, ordinal, start, stop, (stop - start) * row_size)
            for start, stop in ranges(rows, step)
        ]

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Return the piece's rows; mapped ones are not copied unless columns are taken out."""
        matrix = _floats(_rows(piece, header.facts))
        width = matrix.shape[1]
        picked = [
            _column(name, width, piece.uri) for name in (options.label, options.weight, options.id)
        ]
        label, weight, key = (
            None if k is None else matrix[:, k].astype(np.float64) for k in picked
        )
        if weight is not None:
            refuse_weights(
                weight,
                options.weight,
                lambda row, column: Place(file=piece.uri, row=piece.start + row, column=column),
            )
        taken = [k for k in picked if k is not None]
        return Columns(
            ordinal=np.full(len(matrix), piece.ordinal, np.int64),
            position=np.arange(piece.start, piece.stop, dtype=np.int64),
            features=np.delete(matrix, taken, axis=1) if taken else matrix,
            labels=label if label is None or options.label_type != "string" else _names(label),
            weights=weight,
            ids=key,
        )


def _header(file: FileInfo) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether columns lie together, type, and where the data starts."""
    start = io.BytesIO(read_range(file.uri, 0, min(_HEADER, file.size)))
    try:
        version = np.lib.format.read_magic(start)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(start)
    except _NOT_A_HEADER as error:
        raise _damaged(file, str(error)) from error
    return tuple(shape), bool(fortran), dtype, start.tell()


def _damaged(file: FileInfo, why: str) -> DataError:
    return DataError(
        f"The file cannot be read as npy: {why.splitlines()[0]}",
        place=Place(file=file.uri),
        cause="it is cut short or damaged, or is not what its name says",
        remedy="copy it again from where it came from, or save it again",
    )


def _refuse_shape(file: FileInfo, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf":
        raise DataError(
            f"The array holds {dtype}, not numbers",
            place=Place(file=file.uri),
            cause="objects would have to be unpickled, which runs code from the file"
            if dtype.hasobject
            else "",
            remedy="save an array of numbers",
        )
    if len(shape) != 2:
        raise DataError(
            f"The array has {len(shape)} dimensions, not 2",
            place=Place(file=file.uri),
            remedy="save it in the shape (rows, columns)",
        )


def _column(name: str | None, width: int, uri: str) -> int | None:
    """Return the column that a role names by number, from 0."""
    if name is None:
        return None
    try:
        number = int(name)
    except ValueError:
        number = width
    if not -width <= number < width:
        raise UsageError(
            f"There is no column {name!r} among {width}",
            place=Place(file=uri),
            remedy="npy has no names: give a number, such as 0 for the first column or -1 "
            "for the last",
        )
    return number % width


def _rows(piece: Piece, facts: Any) -> Array:
    """Return the piece's rows as they are stored."""
    (rows, width), dtype, start = facts["shape"], np.dtype(facts["dtype"]), facts["start"]
    if rows * width == 0:
        return np.zeros((piece.stop - piece.start, width), dtype)
    if is_local(piece.uri):
        order: Literal["F", "C"] = "F" if facts["fortran"] else "C"
        with translated(piece.uri):
            path = locate(piece.uri)[1]
            whole = np.memmap(path, dtype, "r", start, (rows, width), order)
        return np.asarray(whole)[piece.start : piece.stop]
    row_size = width * dtype.itemsize
    first, last = start + piece.start * row_size, start + piece.stop * row_size
    return np.frombuffer(read_range(piece.uri, first, last), dtype).reshape(-1, width)


def _floats(matrix: Array) -> Array:
    """Return the matrix as float32 if it is that, else float64, in rows and native order."""
    narrow = matrix.dtype.kind == "f" and matrix.dtype.itemsize <= 4
    return np.ascontiguousarray(matrix, dtype=np.float32 if narrow else np.float64)


def _names(labels: Array) -> Array:
    """Return numbers as the strings that people write: 3 for 3.0."""
    return np.array([f"{label:.17g}" for label in labels.tolist()], dtype=str)
