"""Plain text: a record is a line, and nothing more is known of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns
from mr.storage.errors import Place, UsageError
from mr.storage.formats import lines
from mr.storage.formats.base import Format, Header, ReadOptions


class Text(Format):
    """Reads lines as bytes, without their ends; empty ones are records too."""

    name: ClassVar[str] = "text"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text", ".log")
    costly: ClassVar[bool] = False

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Refuse options that need columns; nothing of the file is read."""
        for option in ("label", "weight", "id"):
            if getattr(options, option) is not None:
                raise UsageError(
                    f"Plain text has no columns to take the {option} from",
                    place=Place(file=file.uri),
                    remedy="say what the file is with format=, for example csv",
                )
        return Header(facts=lines.facts(file))

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at byte ranges."""
        return lines.split(file, ordinal, block_size, header)

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Return the lines that start in the piece."""
        del options
        records = list(lines.read(piece, header).records())
        text = np.empty(len(records), dtype=object)
        text[:] = [line for _, line in records]
        return Columns(
            ordinal=np.full(len(records), piece.ordinal, np.int64),
            position=np.array([offset for offset, _ in records], np.int64),
            text=text,
        )
