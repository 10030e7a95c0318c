"""Parquet: typed columns in row groups, which are what a file is cut at."""

from __future__ import annotations

from typing import ClassVar, Literal

import pyarrow.parquet as pq

from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns
from mr.storage.formats import rowfiles
from mr.storage.formats.base import Format, Header, ReadOptions


class Parquet(Format):
    """Reads Parquet; a piece is a row group, and a record's position its row number.

    Float32 stays if all features are; other numbers and booleans become float64,
    nulls NaN. A single feature column of lists of numbers is taken as the matrix.
    """

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    unit: ClassVar[Literal["byte", "row"]] = "row"

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read the footer."""
        rowfiles.refuse_empty(file, "Parquet")
        with rowfiles.opened(file.uri, "Parquet") as source:
            reader = pq.ParquetFile(source)
            groups = [reader.metadata.row_group(k) for k in range(reader.num_row_groups)]
            bounds = rowfiles.row_bounds([group.num_rows for group in groups])
            # Shares of the file: asked for a column's own size, Arrow (26) ends the process
            # where the footer is damaged.
            sizes = [max(0, group.total_byte_size) for group in groups]
            nbytes = [file.size * size // max(1, sum(sizes)) for size in sizes]
            return rowfiles.header_of(
                reader.schema_arrow, options, file.uri, bounds=bounds, nbytes=nbytes
            )

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at row groups; small ones are packed into blocks later."""
        del block_size
        return [
            Piece(file.uri, ordinal, group, group + 1, nbytes)
            for group, nbytes in enumerate(header.facts["nbytes"])
        ]

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Decode the piece's row groups."""
        with rowfiles.opened(piece.uri, "Parquet") as source:
            # Blocks are decoded in parallel; one that used all cores would slow the others.
            reader = pq.ParquetFile(source, pre_buffer=True)
            groups = list(range(piece.start, piece.stop))
            table = reader.read_row_groups(groups, use_threads=False)
        first = header.facts["bounds"][piece.start]
        return rowfiles.columns_of(table, piece, first, header, options)
