"""`Piece` and `Block`: how a dataset is cut, and the packing of pieces into blocks.

Boundaries depend on the data and the block size only, never on workers nor on
the storage's own blocks, so that every engine computes over the same blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20
SMALLEST_BLOCK = 256 * KIB
LARGEST_BLOCK = 64 * MIB
WANTED_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of a dataset, and what identifies its content.

    Parameters
    ----------
    uri : str
        Fully qualified, e.g. ``file:///data/a.csv`` or ``memory://a.csv``.
    name : str
        Path relative to the dataset's root; files are listed sorted by it.
    size : int
        Bytes.
    version : str
        Changes whenever the content may have changed: modification time in
        nanoseconds and inode, or an object store's etag.
    """

    uri: str
    name: str
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of records of one file: the unit a format reads.

    Parameters
    ----------
    uri : str
        The file.
    ordinal : int
        The file's place in the dataset's listing.
    start, stop : int
        Byte range for splittable text (a record belongs to the range in which
        it starts), rows for npy and arrays, row groups for Parquet, record
        batches for Arrow.
    nbytes : int
        Size on storage, for packing and balancing.
    """

    uri: str
    ordinal: int
    start: int
    stop: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """A fixed share of a dataset: the leaf of every reduction.

    Parameters
    ----------
    index : int
        Place in the dataset, from 0.
    pieces : tuple of Piece
        What it holds, in order; many small files make one block.
    identity : str
        Digest of its files' identities and its bounds: equal identities hold
        equal records.
    hosts : tuple of str
        Where its bytes lie, best first; empty when unknown.
    """

    index: int
    pieces: tuple[Piece, ...]
    identity: str
    hosts: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size on storage."""
        return sum(piece.nbytes for piece in self.pieces)


def default_block_size(total: int) -> int:
    """Return the block size for a dataset of ``total`` bytes.

    The power of two nearest above ``total / 64``, between 256 KiB and 64 MiB:
    a function of the data alone.
    """
    wanted = max(1, -(-total // WANTED_BLOCKS))
    return min(LARGEST_BLOCK, max(SMALLEST_BLOCK, 1 << (wanted - 1).bit_length()))


def ranges(size: int, step: int) -> list[tuple[int, int]]:
    """Cut ``[0, size)`` at the multiples of ``step``."""
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def pack(pieces: Iterable[Piece], files: Sequence[FileInfo], block_size: int) -> tuple[Block, ...]:
    """Pack neighbouring pieces into blocks of at most ``block_size`` bytes.

    A piece larger than that is a block of its own; pieces are never cut here.

    Parameters
    ----------
    pieces : iterable of Piece
        In dataset order.
    files : sequence of FileInfo
        By ordinal.
    block_size : int
        Bytes.
    """
    groups: list[list[Piece]] = []
    filled = 0
    for piece in pieces:
        if not groups or filled + piece.nbytes > block_size:
            groups.append([])
            filled = 0
        groups[-1].append(piece)
        filled += piece.nbytes
    return tuple(
        Block(index, tuple(group), _identity(group, files)) for index, group in enumerate(groups)
    )


def _identity(pieces: Sequence[Piece], files: Sequence[FileInfo]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        file = files[piece.ordinal]
        fields = (file.uri, file.size, file.version, piece.ordinal, piece.start, piece.stop)
        digest.update(repr(fields).encode())
    return digest.hexdigest()
