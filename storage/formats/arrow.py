"""Arrow IPC: files (Feather) are cut at record batches, streams not at all."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.ipc

from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns
from mr.storage.errors import DataError, Place
from mr.storage.filesystem import read_range
from mr.storage.formats import rowfiles
from mr.storage.formats.base import Format, Header, ReadOptions

_MAGIC = b"ARROW1"
_OLD_FEATHER = b"FEA1"


class Arrow(Format):
    """Reads Arrow IPC files, Feather, and streams; a record's position is its row number.

    A stream has no index, so it is one piece. Columns are taken as Parquet's are.
    """

    name: ClassVar[str] = "arrow"
    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".arrows", ".feather", ".ipc")
    unit: ClassVar[Literal["byte", "row"]] = "row"

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read the schema, and how many rows each record batch has."""
        rowfiles.refuse_empty(file, "Arrow")
        start = read_range(file.uri, 0, min(len(_MAGIC), file.size))
        if start.startswith(_OLD_FEATHER):
            raise DataError(
                "The file is of the first version of Feather",
                place=Place(file=file.uri),
                remedy="write it again with a current version, which writes Arrow's own format",
            )
        with rowfiles.opened(file.uri, "Arrow") as source:
            if start != _MAGIC:
                schema, rows, nbytes = pa.ipc.open_stream(source).schema, [0], [file.size]
            else:
                schema, rows = _batches(source)
                nbytes = [file.size * count // max(1, sum(rows)) for count in rows]
            return rowfiles.header_of(
                schema,
                options,
                file.uri,
                stream=start != _MAGIC,
                bounds=rowfiles.row_bounds(rows),
                nbytes=nbytes,
            )

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at record batches; small ones are packed into blocks later."""
        del block_size
        return [
            Piece(file.uri, ordinal, batch, batch + 1, nbytes)
            for batch, nbytes in enumerate(header.facts["nbytes"])
        ]

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Decode the piece's record batches."""
        with rowfiles.opened(piece.uri, "Arrow") as source:
            if header.facts["stream"]:
                table = pa.ipc.open_stream(source).read_all()
            else:
                reader = pa.ipc.open_file(source)
                batches = [reader.get_batch(k) for k in range(piece.start, piece.stop)]
                table = pa.Table.from_batches(batches, reader.schema)
        first = header.facts["bounds"][piece.start]
        return rowfiles.columns_of(table, piece, first, header, options)


def _batches(source: Any) -> tuple[pa.Schema, list[int]]:
    """Return the schema of an IPC file and the rows of each batch.

    The footer does not say how many rows a batch has, its own header does:
    asked for one column, the reader leaves the others on the storage.
    """
    schema = pa.ipc.open_file(source).schema
    source.seek(0)
    one = pa.ipc.IpcReadOptions(included_fields=[0] if len(schema) else [])
    reader = pa.ipc.open_file(source, options=one)
    return schema, [reader.get_batch(k).num_rows for k in range(reader.num_record_batches)]
