r"""Records that are lines: cutting files at byte ranges, and reading whole records.

A record belongs to the range in which it starts, as in Hadoop, so a range may
begin and end in the middle of a line. Lines end with ``\n`` or ``\r\n``; the
last needs no end; a line may be longer than a block. Compressed files cannot be
cut: each is one piece, and offsets in it count decompressed bytes.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any, cast

import numpy as np

from mr.storage.blocks import KIB, MIB, FileInfo, Piece, ranges
from mr.storage.columns import Array
from mr.storage.errors import DataError, Place
from mr.storage.filesystem import open_input, read_range
from mr.storage.formats.base import Header
from mr.storage.translate import translated

BOM = b"\xef\xbb\xbf"
_LOOKAHEAD = 16 * KIB
_FIRST_CHUNK = 64 * KIB
_LARGEST_CHUNK = 4 * MIB


def _gzip(file: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=file))


COMPRESSIONS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": _gzip,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
"""By suffix: a function from a compressed file to its content."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole records, as they stand in the file.

    Parameters
    ----------
    data : memoryview
        Lines with their ends; the last may lack one.
    offset : int
        Byte offset of the first in the file.
    """

    data: memoryview
    offset: int

    def array(self) -> Array:
        """Return the bytes as an array of uint8, not copied."""
        data: Array = np.frombuffer(self.data, dtype=np.uint8)
        return data

    def starts(self) -> Array:
        """Return where each line starts in `data`: int64, shape (lines,)."""
        data = self.array()
        ends = np.flatnonzero(data == ord("\n")) + 1
        starts: Array = np.concatenate([np.zeros(min(1, len(data)), np.int64), ends])
        return starts[:-1] if len(starts) > 1 and starts[-1] == len(data) else starts

    def filled(self) -> Array:
        """Return where each line starts that is not empty: int64, shape (lines,)."""
        starts = self.starts()
        lengths = np.diff(starts, append=len(self.data))
        first, last = self.array()[starts], self.array()[starts + lengths - 1]
        # An empty line is its end alone; the last may be a carriage return that nothing follows.
        end = (lengths == 1) | ((lengths == 2) & (last == ord("\n")))
        empty = (first == ord("\n")) | ((first == ord("\r")) & end)
        filled: Array = starts[~empty]
        return filled

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Go through (byte offset in the file, line without its end)."""
        for start, stop in pairwise([*self.starts().tolist(), len(self.data)]):
            line = bytes(self.data[start:stop])
            yield self.offset + start, line.removesuffix(b"\n").removesuffix(b"\r")


def compression(uri: str) -> str:
    """Return the suffix that says how a file is compressed; empty if it is not."""
    return next((suffix for suffix in COMPRESSIONS if uri.lower().endswith(suffix)), "")


def facts(file: FileInfo, first: int = 0) -> dict[str, Any]:
    """Return what `split` and `read` need to know of a file.

    Parameters
    ----------
    file : FileInfo
        The file.
    first : int
        Byte offset of the first record: what is before it is a header.
    """
    return {"size": file.size, "first": first, "compression": compression(file.uri)}


def split(file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
    """Cut a file of lines at the multiples of ``block_size``; a compressed one not at all.

    Warns
    -----
    UserWarning
        If a file is compressed; the text is the same for all, so that Python
        shows it once.
    """
    first, suffix = header.facts["first"], header.facts["compression"]
    if not suffix:
        return [
            Piece(file.uri, ordinal, max(start, first), stop, stop - max(start, first))
            for start, stop in ranges(file.size, block_size)
            if stop > first
        ]
    warnings.warn(
        f"{suffix} files cannot be cut: each is read as one block, by one task; "
        "decompress them, or convert them to Parquet, to read them in parallel",
        stacklevel=2,
    )
    return [Piece(file.uri, ordinal, 0, file.size, file.size)] if file.size else []


def read(piece: Piece, header: Header) -> Lines:
    """Read the records that start in a piece."""
    first = header.facts["first"]
    if header.facts["compression"]:
        with open_lines(piece.uri) as file:
            file.read(first)
            return _without_bom(memoryview(file.read()), first)
    return read_lines(piece.uri, piece.start, piece.stop, header.facts["size"], first)


def read_lines(uri: str, start: int, stop: int, size: int, first: int = 0) -> Lines:
    """Read the lines that start in the bytes ``[start, stop)`` of a file.

    Parameters
    ----------
    uri : str
        The file.
    start, stop : int
        Byte range; where it begins and ends need not be where a line does.
    size : int
        Size of the file in bytes.
    first : int
        Where a line is known to start: nothing is looked at before it.
    """
    start, stop = max(start, first), min(stop, size)
    if start >= stop:
        return Lines(memoryview(b""), stop)
    # The byte before tells whether a line starts at `start` itself; those behind
    # mostly hold the end of the last line, and save a second request.
    base = start - 1 if start > first else start
    data = read_range(uri, base, min(stop + _LOOKAHEAD, size))
    begin = data.find(b"\n") + 1 if base < start else 0
    if (base < start and not begin) or begin >= stop - base:
        return Lines(memoryview(b""), stop)
    end = data.find(b"\n", stop - base - 1) + 1
    if not end:
        data += _rest_of_line(uri, base + len(data), size)
        end = len(data)
    return _without_bom(memoryview(data)[begin:end], base + begin)


def _rest_of_line(uri: str, start: int, size: int) -> bytes:
    parts, chunk = [], _FIRST_CHUNK
    while start < size:
        part = read_range(uri, start, min(start + chunk, size))
        end = part.find(b"\n") + 1
        parts.append(part[:end] if end else part)
        if end:
            break
        start, chunk = start + len(part), min(2 * chunk, _LARGEST_CHUNK)
    return b"".join(parts)


def _without_bom(data: memoryview, offset: int) -> Lines:
    skipped = len(BOM) if offset == 0 and data[: len(BOM)] == BOM else 0
    return Lines(data[skipped:], offset + skipped)


def first_line(file: FileInfo, offset: int = 0) -> bytes:
    """Return the line at an offset with its end; empty at the end of the file."""
    if not compression(file.uri):
        return _rest_of_line(file.uri, offset, file.size)
    with open_lines(file.uri) as content:
        content.read(offset)
        return content.readline()


def line_number(uri: str, offset: int) -> int:
    """Return the number of the line at a byte offset, from 1, by counting those before it."""
    count = 1
    with open_lines(uri) as file:
        while offset > 0 and (chunk := file.read(min(offset, _LARGEST_CHUNK))):
            count += chunk.count(b"\n")
            offset -= len(chunk)
    return count


def place_of(uri: str, offset: int, column: str | None = None) -> Place:
    """Return the place of the record at a byte offset, with its line number."""
    return Place(file=uri, line=line_number(uri, offset), offset=offset, column=column)


@contextlib.contextmanager
def open_lines(uri: str) -> Iterator[IO[bytes]]:
    """Open a file of lines, decompressed if its name says that it is compressed.

    What reading it raises inside the ``with`` is translated.

    Raises
    ------
    DataError
        If a compressed file is cut short or damaged.
    StorageError
        If it cannot be read.
    """
    suffix = compression(uri)
    with translated(uri), open_input(uri) as file:
        if not suffix:
            yield file
            return
        try:
            with COMPRESSIONS[suffix](file) as content:
                yield content
        except _DAMAGED as error:
            raise _damaged(error, uri, suffix) from error
        except OSError as error:
            # bz2 says that data is invalid by an OSError of no number.
            if error.errno is not None:
                raise
            raise _damaged(error, uri, suffix) from error


_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def _damaged(error: Exception, uri: str, suffix: str) -> DataError:
    return DataError(
        f"A {suffix} file cannot be decompressed: {error}",
        place=Place(file=uri),
        cause="the file is cut short or damaged"
        if isinstance(error, EOFError)
        else "the file is damaged, or is not what its name says",
        remedy="copy it again from where it came from",
    )
