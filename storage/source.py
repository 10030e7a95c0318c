"""Where a dataset's records come from: files of one format, or arrays in memory."""

from __future__ import annotations

import hashlib
import secrets
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mr.storage import salvage, scratch
from mr.storage.blocks import Block, FileInfo, Piece, pack, ranges
from mr.storage.cache import write_whole
from mr.storage.columns import Columns, concatenate, from_arrays, to_arrays
from mr.storage.container import encode, map_file
from mr.storage.errors import Place, SchemaMismatch
from mr.storage.filesystem import refuse_changed
from mr.storage.formats.base import Format, Header, ReadOptions
from mr.storage.translate import translated


class Source(Protocol):
    """What a `Dataset` asks of the place its records come from."""

    @property
    def nbytes(self) -> int:
        """Size on storage, or in memory."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns; empty where there are none."""

    @property
    def costly(self) -> bool:
        """Whether decoded blocks are worth caching."""

    @property
    def decoder(self) -> str:
        """Changes whenever the same bytes would be decoded to other columns."""

    def blocks(self, block_size: int) -> tuple[Block, ...]:
        """Cut the records into blocks of about ``block_size`` bytes."""

    def read(self, block: Block) -> Columns:
        """Decode one block."""

    def place(self, ordinal: int, position: int) -> Place:
        """Say where a record is, from its identity."""


@dataclass(frozen=True)
class FileSource:
    """Files of one format, in the order of their relative names."""

    files: tuple[FileInfo, ...]
    headers: tuple[Header, ...]
    format: Format
    options: ReadOptions

    @classmethod
    def open(cls, files: Sequence[FileInfo], format: Format, options: ReadOptions) -> FileSource:  # noqa: A002 - the field's word
        """Inspect each file, and hold them to one set of columns.

        Raises
        ------
        SchemaMismatch
            If two files name different columns.
        """
        headers = tuple(format.inspect(file, options) for file in files)
        for file, header in zip(files, headers, strict=True):
            if header.names != headers[0].names:
                raise SchemaMismatch(
                    "Files of one dataset name different columns",
                    place=Place(file=file.uri),
                    cause=f"it has {_list(header.names)}; {files[0].name} has "
                    f"{_list(headers[0].names)}",
                    remedy="make the columns agree, or read the files as separate datasets",
                )
        return cls(tuple(files), headers, format, options)

    @property
    def nbytes(self) -> int:
        """Size on storage."""
        return sum(file.size for file in self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns."""
        return self.headers[0].names if self.headers else ()

    @property
    def costly(self) -> bool:
        """Whether decoded blocks are worth caching."""
        return self.format.costly

    @property
    def decoder(self) -> str:
        """Format, version and options."""
        return f"{self.format.name}-{self.format.version}-{sorted(asdict(self.options).items())}"

    def blocks(self, block_size: int) -> tuple[Block, ...]:
        """Cut the files into pieces and pack these into blocks."""
        pieces = [
            piece
            for ordinal, (file, header) in enumerate(zip(self.files, self.headers, strict=True))
            for piece in self.format.split(file, ordinal, block_size, header)
        ]
        return pack(pieces, self.files, block_size)

    def read(self, block: Block) -> Columns:
        """Decode one block, piece by piece.

        Raises
        ------
        StorageError
            If one of its files is no longer the one that was listed.
        """
        self._refuse_changed(block)
        parts = [
            part
            for piece in block.pieces
            for part in salvage.read(self.format, piece, self.headers[piece.ordinal], self.options)
        ]
        self._refuse_changed(block)  # meanwhile
        return concatenate(parts)

    def place(self, ordinal: int, position: int) -> Place:
        """Say where a record is: by byte in text, by row elsewhere."""
        uri = self.files[ordinal].uri
        if self.format.unit == "byte":
            return Place(file=uri, offset=position)
        return Place(file=uri, row=position)

    def _refuse_changed(self, block: Block) -> None:
        for ordinal in {piece.ordinal for piece in block.pieces}:
            refuse_changed(self.files[ordinal])


class MemorySource:
    """Arrays in memory; they reach other processes through one mapped file.

    The file is made when the source is first pickled and goes with the source.
    """

    costly = False
    decoder = "memory-1"

    def __init__(self, columns: Columns, names: tuple[str, ...] = ()) -> None:
        self.columns = columns.read_only()
        self.names = names

    @property
    def nbytes(self) -> int:
        """Size of the features and labels."""
        return sum(array.nbytes for array in to_arrays(self.columns).values())

    @cached_property
    def identity(self) -> str:
        """Digest of all values."""
        digest = hashlib.sha256(repr(self.names).encode())
        for name, array in to_arrays(self.columns).items():
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data if array.size else b"")
        return digest.hexdigest()

    def blocks(self, block_size: int) -> tuple[Block, ...]:
        """Cut the rows evenly by their mean size."""
        rows = self.columns.rows
        row_size = max(1, self.nbytes // max(1, rows))
        file = FileInfo("memory:", "memory", self.nbytes, self.identity)
        step = max(1, block_size // row_size)
        pieces = [
            Piece(file.uri, 0, start, stop, (stop - start) * row_size)
            for start, stop in ranges(rows, step)
        ]
        # A block size of zero packs nothing together: each piece is one block.
        return pack(pieces, [file], 0)

    def read(self, block: Block) -> Columns:
        """Return the rows of one block, as views."""
        (piece,) = block.pieces
        return self.columns.slice(piece.start, piece.stop)

    def place(self, ordinal: int, position: int) -> Place:
        """Say which row it is."""
        del ordinal
        return Place(row=position)

    def __getstate__(self) -> dict[str, Any]:
        """Spill the arrays to a file once, and travel as its path."""
        return {"path": self._spilled, "names": self.names, "identity": self.identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file that the sender wrote."""
        self.names = state["names"]
        self.__dict__["identity"] = state["identity"]
        self.columns = from_arrays(map_file(Path(state["path"]), verify=False)[1])

    @cached_property
    def _spilled(self) -> str:
        # A file of its own, for it goes with this source and not with others of the same values.
        path = scratch.directory() / f"arrays-{secrets.token_hex(8)}.gfc"
        with translated(str(path)):
            write_whole(path, encode({}, to_arrays(self.columns)))
        weakref.finalize(self, path.unlink, missing_ok=True)
        return str(path)


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return shown + (f", … ({len(names)} in all)" if len(names) > 8 else "") or "no names"
