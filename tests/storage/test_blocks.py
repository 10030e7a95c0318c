"""How data is cut: by itself alone, without a gap, in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.storage.blocks import (
    KIB,
    LARGEST_BLOCK,
    MIB,
    SMALLEST_BLOCK,
    FileInfo,
    Piece,
    default_block_size,
    pack,
    ranges,
)


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (0, 256 * KIB),
        (1, 256 * KIB),
        (16 * MIB, 256 * KIB),
        (16 * MIB + 1, 512 * KIB),
        (64 * MIB, MIB),
        (64 * MIB + 1, 2 * MIB),
        (4096 * MIB, 64 * MIB),
        (1 << 50, 64 * MIB),
    ],
)
def test_the_default_is_a_power_of_two_near_a_64th(total, size):
    assert default_block_size(total) == size


@given(st.integers(0, 1 << 45))
def test_the_default_has_bounds_and_grows_with_the_data(total):
    size = default_block_size(total)
    assert SMALLEST_BLOCK <= size <= LARGEST_BLOCK
    assert size & (size - 1) == 0
    assert size <= default_block_size(total + total // 7)
    if SMALLEST_BLOCK < size < LARGEST_BLOCK:
        assert 32 <= total / size <= 64


@given(size=st.integers(0, 10_000), step=st.integers(1, 3000))
def test_ranges_cover_without_gap_and_are_cut_at_multiples(size, step):
    found = ranges(size, step)
    assert sum(stop - start for start, stop in found) == size
    assert all(start % step == 0 and start < stop <= start + step for start, stop in found)
    assert [stop for _, stop in found[:-1]] == [start for start, _ in found[1:]]


def files(count: int, version: str = "1") -> list[FileInfo]:
    return [FileInfo(f"file:///{n}", str(n), 100, version) for n in range(count)]


def pieces(sizes: list[int]) -> list[Piece]:
    return [Piece(f"file:///{n}", n, 0, size, size) for n, size in enumerate(sizes)]


@given(sizes=st.lists(st.integers(0, 50), max_size=40), block_size=st.integers(0, 60))
def test_pack_keeps_all_pieces_in_order_and_fills_blocks(sizes, block_size):
    given_pieces = pieces(sizes)
    blocks = pack(given_pieces, files(len(sizes)), block_size)
    assert [piece for block in blocks for piece in block.pieces] == given_pieces
    assert [block.index for block in blocks] == list(range(len(blocks)))
    for block in blocks:
        assert block.nbytes <= block_size or len([p for p in block.pieces if p.nbytes]) == 1
    for block, after in pairwise(blocks):
        assert block.nbytes + after.pieces[0].nbytes > block_size, "a block was closed too soon"
    assert len({block.identity for block in blocks}) == len(blocks)


def test_many_small_pieces_make_few_blocks():
    assert len(pack(pieces([10] * 10_000), files(10_000), 256 * KIB)) == 1


class TestIdentity:
    """Equal identities hold equal records."""

    base = pack(pieces([10, 10]), files(2), 100)[0].identity

    def test_is_the_same_for_the_same(self):
        assert pack(pieces([10, 10]), files(2), 1000)[0].identity == self.base

    def test_changes_with_a_files_version(self):
        assert pack(pieces([10, 10]), files(2, "2"), 100)[0].identity != self.base

    def test_changes_with_the_bounds(self):
        assert pack(pieces([10, 11]), files(2), 100)[0].identity != self.base

    def test_changes_with_the_place_of_a_file_in_the_listing(self):
        moved = [Piece("file:///0", 1, 0, 10, 10), Piece("file:///1", 0, 0, 10, 10)]
        assert pack(moved, files(2), 100)[0].identity != self.base
