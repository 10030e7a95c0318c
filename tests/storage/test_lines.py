"""However bytes are cut into ranges, the records are those of the whole, each once."""

import gzip
from itertools import pairwise

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.storage.blocks import FileInfo, Piece
from mr.storage.errors import DataError, StorageError
from mr.storage.filesystem import read_range
from mr.storage.formats import lines
from mr.storage.formats.base import Header

URI = "memory://lines.txt"
CONTENT = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc,", b"\x00", b"\xef\xbb\xbf", b"long" * 9])
).map(b"".join)


def put(content: bytes) -> None:
    fsspec.filesystem("memory").pipe_file("/lines.txt", content)


def expected(content: bytes, first: int = 0) -> list[tuple[int, bytes]]:
    records, offset = [], first
    for line in content[first:].split(b"\n"):
        records.append((offset, line.removesuffix(b"\r")))
        offset += len(line) + 1
    if not content[first:] or content.endswith(b"\n"):
        records.pop()  # what is behind the last end is no line
    return records


def cut(content: bytes, cuts: list[int]) -> list[tuple[int, int]]:
    bounds = sorted({0, len(content), *(c % (len(content) + 1) for c in cuts)})
    return list(pairwise(bounds))


@given(CONTENT, st.lists(st.integers(0, 1000), max_size=8))
def test_any_cut_gives_the_records_of_the_whole(content, cuts):
    put(content)
    found = [
        record
        for start, stop in cut(content, cuts)
        for record in lines.read_lines(URI, start, stop, len(content)).records()
    ]
    whole = list(lines.read_lines(URI, 0, len(content), len(content)).records())
    assert found == whole
    if not content.startswith(lines.BOM):
        assert whole == expected(content)


@given(CONTENT, st.integers(1, 60))
def test_pieces_of_a_file_with_a_header_leave_it_out(content, block_size):
    content = b"head,er\r\n" + content
    put(content)
    file = FileInfo(URI, "lines.txt", len(content), "1")
    assert lines.first_line(file) == b"head,er\r\n"
    header = Header(facts=lines.facts(file, first=9))
    pieces = lines.split(file, 4, block_size, header)
    found = [record for piece in pieces for record in lines.read(piece, header).records()]
    assert found == expected(content, 9)
    assert all(piece.ordinal == 4 and piece.nbytes <= block_size for piece in pieces)
    assert sum(piece.nbytes for piece in pieces) == len(content) - 9


@given(CONTENT)
def test_line_starts_are_those_of_the_records(content):
    found = lines.Lines(memoryview(content), 0)
    assert found.starts().tolist() == [offset for offset, _ in found.records()]
    filled = [offset for offset, line in found.records() if line]
    assert found.filled().tolist() == filled


@given(CONTENT)
def test_line_numbers_are_counted_on_demand(content):
    put(content)
    for number, (offset, _) in enumerate(expected(content), start=1):
        assert lines.line_number(URI, offset) == number


@pytest.mark.parametrize("length", [10, 1 << 14, 300_000])
def test_a_line_longer_than_many_ranges_belongs_to_the_first(length):
    content = b"a\n" + b"x" * length + b"\nb"
    put(content)
    step = 1000
    found = [
        (start, record)
        for start in range(0, len(content), step)
        for record in lines.read_lines(URI, start, start + step, len(content)).records()
    ]
    assert [record for _, record in found] == [
        (0, b"a"),
        (2, b"x" * length),
        (length + 3, b"b"),
    ]
    assert [start for start, _ in found] == [0, 0, (length + 3) // step * step]


def test_a_mark_at_the_start_is_skipped_in_every_cut():
    content = lines.BOM + b"a\nb\n"
    put(content)
    for step in range(1, len(content) + 1):
        found = [
            record
            for start in range(0, len(content), step)
            for record in lines.read_lines(URI, start, start + step, len(content)).records()
        ]
        assert found == [(3, b"a"), (5, b"b")]


def test_a_file_that_shrank_is_named():
    put(b"a\nb\n")
    with pytest.raises(StorageError, match=r"(?s)2 of 98.*shorter.*again"):
        read_range(URI, 2, 100)


@pytest.mark.parametrize("damage", ["cut", "garbage"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_damaged_compressed_files_are_named(suffix, damage, tmp_path):
    import bz2
    import lzma

    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    path = tmp_path / f"a.txt{suffix}"
    content = compress(b"some lines\n" * 1000)
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"garbage" * 10)
    file = FileInfo(f"file://{path}", path.name, path.stat().st_size, "1")
    with pytest.raises(DataError) as caught:
        lines.read(Piece(file.uri, 0, 0, file.size, file.size), Header(facts=lines.facts(file)))
    assert caught.value.place.file == file.uri
    assert "cut short" in caught.value.cause or "damaged" in caught.value.cause
    assert caught.value.remedy
