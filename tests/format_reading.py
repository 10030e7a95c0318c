"""Reads whole files through a format, for tests."""

import os

from mr.storage.blocks import Piece
from mr.storage.columns import Columns, concatenate
from mr.storage.filesystem import list_files
from mr.storage.formats import detect, get
from mr.storage.formats.base import Format, Header, ReadOptions


def opened(
    source: str | os.PathLike[str], block_size: int, options: ReadOptions
) -> tuple[Format, list[tuple[Piece, Header]]]:
    files = list_files(source)
    reader = get(detect(files))
    headers = [reader.inspect(file, options) for file in files]
    pieces = [
        (piece, header)
        for ordinal, (file, header) in enumerate(zip(files, headers, strict=True))
        for piece in reader.split(file, ordinal, block_size, header)
    ]
    return reader, pieces


def read_pieces(
    source: str | os.PathLike[str], block_size: int = 1 << 20, **options: object
) -> list[Columns]:
    how = ReadOptions(**options)
    reader, pieces = opened(source, block_size, how)
    return [reader.read(piece, header, how) for piece, header in pieces]


def read_all(
    source: str | os.PathLike[str], block_size: int = 1 << 20, **options: object
) -> Columns:
    return concatenate(read_pieces(source, block_size, **options))
