"""The compiled libsvm parser against ten lines of Python, and its numbers against ``float``."""

import math
import struct

import numpy as np
import pytest
from format_reading import read_all
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from mr.storage.errors import MalformedRecord, SchemaMismatch, UsageError
from mr.storage.formats.decimal import parse_float
from mr.storage.formats.libsvm_scan import FINE, LARGEST_WIDTH, scan


def reference(text: str) -> list[tuple[float, dict[int, float]]]:
    rows = []
    for line in text.split("\n"):
        fields = line.split("#")[0].split()
        if fields:
            pairs = [f.split(":") for f in fields[1:] if not f.startswith("qid:")]
            rows.append((float(fields[0]), {int(k) - 1: float(v) for k, v in pairs}))
    return rows


def bits(value: float) -> bytes:
    return struct.pack("d", value)


NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"[+-]?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[+-]?\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.decimals(-1000, 1000, places=7).map(str),
)


@given(NUMBERS)
@example("9007199254740993")  # half way between two floats, to the even one below
@example("9007199254740995")  # likewise, above
@example("0.9007199254740993e1")
@example("4503599627370497.5")
@example("4503599627370496.5")
@example("1e23")
@example("8.5e22")
@example("1.7976931348623157e308")
@example("1.7976931348623159e308")
@example("2.2250738585072014e-308")
@example("2.2250738585072011e-308")
@example("5e-324")
@example("-0")
@example("-0.0e-5")
@example("0e999")
@example("123456789012345678")
@example("999999999999999999e-340")
@example("1e-400")
@example("1e99999999999999999999")
def test_numbers_are_rounded_as_python_rounds(text):
    value, end, hard = parse_float(np.frombuffer(text.encode(), np.uint8), 0)
    assert end == len(text)
    if not hard:
        assert bits(value) == bits(float(text))


@given(st.floats(1e-290, 1e290), st.integers(1, 17))
def test_ordinary_numbers_are_not_left_to_python(value, digits):
    text = f"{value:.{digits - 1}e}"
    parsed, _, hard = parse_float(np.frombuffer(text.encode(), np.uint8), 0)
    assert not hard
    assert bits(parsed) == bits(float(text))


@pytest.mark.parametrize(
    "text",
    ["", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "1x", "0x10", "nan", "1_0", "--1", "1,2"],
)
def test_what_is_no_plain_number_is_left_to_python(text):
    _, end, hard = parse_float(np.frombuffer(f"{text} 5".encode(), np.uint8), 0)
    assert hard
    assert end == len(text)


VALUES = st.one_of(
    st.floats(allow_nan=False, width=64).map(repr),
    st.sampled_from(
        ["nan", "NaN", "inf", "-Infinity", "+1", "1.", ".5", "1e5", "0" * 30, "7" * 25]
    ),
)
SPACES = st.sampled_from([" ", "  ", "\t", " \t "])
ENDS = st.sampled_from(
    ["\n", "\r\n", " \n", "\n\n", " # note 7:8\n", "#\n", "\n \t\n", "\n# all\n"]
)


@st.composite
def documents(draw):
    out = []
    for _ in range(draw(st.integers(0, 6))):
        fields = [draw(st.sampled_from(["1", "-1", "+1", "0.5", "nan", "3e2"]))]
        if draw(st.booleans()):
            fields.append("qid:7")
        indices = sorted(draw(st.sets(st.integers(1, 10**6), max_size=5)))
        fields += [f"{index}:{draw(VALUES)}" for index in indices]
        out.append(draw(st.sampled_from(["", " ", "\t"])) + draw(SPACES).join(fields) + draw(ENDS))
    text = "".join(out)
    return text.rstrip() if draw(st.booleans()) else text


@given(documents(), st.integers(1, 200))
def test_rows_are_those_of_the_reference(tmp_path_factory, text, block_size):
    path = tmp_path_factory.getbasetemp() / "reference.libsvm"
    path.write_text(text, newline="")
    expected = reference(text)
    if not text:
        return
    columns = read_all(path, block_size)
    sparse = columns.features
    assert_array_equal(columns.labels, [label for label, _ in expected])
    assert sparse.rows == len(expected)
    assert sparse.indices.dtype == np.int32
    for i, (_, row) in enumerate(expected):
        part = slice(sparse.indptr[i], sparse.indptr[i + 1])
        assert sparse.indices[part].tolist() == list(row)
        for got, wanted in zip(sparse.data[part].tolist(), row.values(), strict=True):
            assert bits(got) == bits(wanted) or (math.isnan(got) and math.isnan(wanted))
    assert sparse.width == max((k + 1 for _, row in expected for k in row), default=0)
    for offset in columns.position.tolist():
        assert offset == 0 or text.encode()[offset - 1 : offset] == b"\n"


def test_any_bytes_end_in_rows_or_a_rule(seed):
    random = np.random.default_rng(seed)
    alphabet = np.frombuffer(b"0123 :\n\r\t#qid.e+-n\x00\xff", np.uint8)
    for _ in range(300):
        text = random.choice(alphabet, random.integers(0, 60)).astype(np.uint8)
        found = scan(text, 1, LARGEST_WIDTH)
        assert len(found.indptr) == len(found.labels) + 1
        assert found.code == FINE or 0 <= found.at < len(text)
        assert ((found.hard[:, 1] <= found.hard[:, 2]) & (found.hard[:, 2] <= len(text))).all()


def bad(tmp_path, line: str, **options: object):
    path = tmp_path / "bad.libsvm"
    path.write_text(f"1 1:1 2:2\n\n# note\n{line}\n1 1:1\n")
    return read_all(path, 8, **options)


@pytest.mark.parametrize(
    ("line", "what", "cause"),
    [
        ("1 1:x", r"value 'x' is not a number", "a value must be"),
        ("1 1:", r"value '' is not a number", "a value must be"),
        ("1 1:1_0", r"value '1_0' is not", "a value must be"),
        ("1 1:2:3", r"value '2:3' is not", "a value must be"),
        ("1 foo", r"feature 'foo' is not index:value", ""),
        ("1 3", r"feature '3' is not index:value", ""),
        ("1 -3:1", r"feature '-3:1' is not index:value", ""),
        ("1 :1", r"feature ':1' is not index:value", ""),
        ("1 2:1 2:1", r"feature '2:1' does not have a greater", ""),
        ("1 3:1 2:1", r"feature '2:1' does not have a greater", ""),
        ("a 1:1", r"label 'a' is not a number", "begin with its label"),
        ("1:1 2:1", r"label '1:1' is not a number", "begin with its label"),
        ("1,2 1:1", r"label '1,2' is not a number", "several labels"),
        ("1 1:x 2:1 1:1", r"value 'x'", ""),  # the first of two
        (f"1 1:{'x' * 500}", r"value 'x{40}…' is", ""),
    ],
)
def test_a_malformed_line_is_told_by_place(line, what, cause, tmp_path):
    with pytest.raises(MalformedRecord, match=what) as caught:
        bad(tmp_path, line)
    error = caught.value
    assert (error.place.line, error.place.offset) == (4, 18)
    assert error.place.file.endswith("bad.libsvm")
    assert cause in error.cause
    assert error.remedy


def test_index_zero_is_told_with_the_option_that_allows_it(tmp_path):
    with pytest.raises(MalformedRecord, match=r"(?s)'0:1'.*zero_based=True"):
        bad(tmp_path, "1 0:1")
    columns = bad(tmp_path, "1 0:1 3:5", zero_based=True)
    assert columns.features.width == 4
    assert columns.features.dense(4).tolist() == [[0, 1, 2, 0], [1, 0, 0, 5], [0, 1, 0, 0]]


def test_an_index_beyond_the_schema_is_told_by_place(tmp_path):
    assert bad(tmp_path, "1 7:1", features=9).features.width == 9
    with pytest.raises(SchemaMismatch, match=r"(?s)'7:1' lies beyond the 6.*:4, byte 18"):
        bad(tmp_path, "1 7:1", features=6)
    with pytest.raises(SchemaMismatch, match="beyond 2147483647"):
        bad(tmp_path, "1 99999999999999999999999:1")


def test_options_that_need_columns_are_refused(tmp_path):
    for option in ({"weight": "w"}, {"id": "k"}, {"label_type": "string"}):
        with pytest.raises(UsageError):
            bad(tmp_path, "1 1:1", **option)
