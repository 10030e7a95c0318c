"""The layout of arrays: what was written comes back, and damage is never a value."""

from __future__ import annotations

import mmap
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mr.storage.container import ALIGN, MAGIC, encode, fingerprint, map_file, pack, unpack
from mr.storage.errors import CorruptFile

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    hnp.unicode_string_dtypes(endianness="?", max_len=8),
    hnp.byte_string_dtypes(max_len=8),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def same(found: np.ndarray, given: np.ndarray) -> bool:
    """Return whether two arrays are the same but for the order of their bytes."""
    plain = given.astype(given.dtype.newbyteorder("<"))
    return found.dtype == plain.dtype and found.shape == given.shape and equal_bits(found, plain)


def equal_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


@given(
    meta=st.dictionaries(st.text(max_size=6), JSON, max_size=3),
    arrays=st.dictionaries(st.text(max_size=6), ARRAYS, max_size=3),
)
def test_what_is_packed_comes_back(meta, arrays):
    found_meta, found = unpack(pack(meta, arrays))
    assert found_meta == meta
    assert list(found) == list(arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24).reshape(2, 3, 4)[:, ::2, ::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.float32(3), (4, 2)),
        np.zeros((0, 7)),
        np.array(5.0),
        np.array(["a", "größe"]),
        np.array([np.nan, -0.0, np.inf]),
    ],
)
def test_any_layout_in_memory_comes_back(array):
    assert same(unpack(pack({}, {"x": array}))[1]["x"], array)


def test_arrays_are_aligned_views_that_cannot_be_written_to():
    buffer = pack({"a": 1}, {"x": np.arange(3, dtype=np.int8), "y": np.arange(5.0)})
    start = np.frombuffer(buffer, np.uint8).ctypes.data
    for array in unpack(buffer)[1].values():
        assert (array.ctypes.data - start) % ALIGN == 0
        assert not array.flags.writeable
        assert not array.flags.owndata


def test_arrays_are_not_copied_to_be_written():
    array = np.arange(1000.0)
    written = [np.frombuffer(buffer, np.uint8) for buffer in encode({}, {"x": array})]
    assert any(np.shares_memory(array, part) for part in written)


def small() -> bytes:
    arrays = {"x": np.array([1.0, -2.5]), "n": np.array(["ab"]), "i": np.array(7, np.int32)}
    return pack({"kind": "small", "number": 3}, arrays)


def read(buffer: bytes) -> object:
    """Return all that a buffer holds as values that can be compared."""
    meta, arrays = unpack(buffer)
    return meta, [(n, a.dtype.str, a.shape, a.tobytes()) for n, a in arrays.items()]


def found_or_harmless(damaged: bytes, expected: object) -> bool:
    """Return whether damage was found; what is not must leave every value as it was."""
    try:
        assert read(damaged) == expected
    except CorruptFile:
        return True
    return False


def test_a_change_of_any_byte_is_found_or_harmless():
    whole = small()
    expected, missed = read(whole), []
    for place in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= change
            if not found_or_harmless(bytes(damaged), expected):
                missed.append(place)
    # Nothing but zeros of padding may be changed without being noticed.
    assert all(whole[place] == 0 for place in missed)
    assert len(set(missed)) < 4 * ALIGN


def test_a_cut_at_any_byte_is_found_or_harmless():
    whole = small()
    expected = read(whole)
    uncut = [n for n in range(len(whole)) if not found_or_harmless(whole[:n], expected)]
    assert all(not any(whole[n:]) for n in uncut), "more than padding was cut off"
    assert all(n > len(whole) - ALIGN for n in uncut)


@given(st.binary(max_size=200))
def test_bytes_of_another_origin_are_refused(data):
    with pytest.raises(CorruptFile):
        unpack(data)
    with pytest.raises(CorruptFile):
        unpack(MAGIC + data)


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_another_version_is_refused_by_name(version):
    damaged = bytearray(small())
    struct.pack_into("<I", damaged, len(MAGIC), version)
    with pytest.raises(CorruptFile, match=f"version {version} is not 1") as caught:
        unpack(damaged, source="a.gfc")
    assert caught.value.place.file == "a.gfc"
    assert caught.value.remedy


def test_checksums_of_arrays_are_looked_at_where_asked():
    damaged = bytearray(pack({}, {"x": np.zeros(4)}))
    damaged[-40] ^= 1
    assert unpack(damaged, verify=False)[1]["x"].any()
    with pytest.raises(CorruptFile, match="array x fails its checksum"):
        unpack(damaged)


def test_a_cut_is_found_even_where_checksums_are_not_looked_at():
    whole = pack({}, {"x": np.zeros(4)})
    with pytest.raises(CorruptFile, match="cut short"):
        unpack(whole[:-40], verify=False)


@given(a=ARRAYS, b=ARRAYS)
def test_fingerprints_tell_contents_apart(a, b):
    one, other = pack({}, {"x": a}), pack({}, {"x": b})
    assert (fingerprint(one) == fingerprint(other)) == (one == other)
    assert fingerprint(memoryview(one)) == fingerprint(one)


def test_a_fingerprint_covers_the_values():
    x = np.zeros(1000)
    before = fingerprint(pack({}, {"x": x}))
    x[777] = np.nextafter(0.0, 1.0)
    assert fingerprint(pack({}, {"x": x})) != before


class TestMapping:
    def test_reads_a_file_in_place(self, tmp_path):
        (tmp_path / "a.gfc").write_bytes(small())
        assert map_file(tmp_path / "a.gfc")[0] == {"kind": "small", "number": 3}

    def test_outlives_the_file(self, tmp_path):
        path = tmp_path / "a.gfc"
        path.write_bytes(small())
        arrays = map_file(path)[1]
        path.unlink()
        assert arrays["x"].tolist() == [1.0, -2.5]

    @pytest.mark.parametrize("body", [b"", b"GRADFOLD", b"x" * 100])
    def test_names_the_file_that_is_damaged(self, tmp_path, body):
        path = tmp_path / "a.gfc"
        path.write_bytes(body)
        with pytest.raises(CorruptFile, match="damaged") as caught:
            map_file(path)
        assert caught.value.place.file == str(path)

    def test_takes_a_mapping(self):
        with mmap.mmap(-1, len(small())) as mapped:
            mapped.write(small())
            assert unpack(mapped)[0]["kind"] == "small"
            del mapped


def test_a_header_that_lies_about_its_length_is_found():
    damaged = bytearray(small())
    header = damaged[24:]
    check = zlib.crc32(header)
    struct.pack_into("<III", damaged, 12, 2**32 - 1, check, check ^ 0xFFFFFFFF)
    with pytest.raises(CorruptFile):
        unpack(damaged)


@pytest.mark.parametrize("array", [np.array([object()]), np.array([None, 1])])
def test_no_object_is_ever_written(array):
    with pytest.raises(TypeError):
        pack({}, {"x": array})
