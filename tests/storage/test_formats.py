"""One suite for all formats: the same table in, the same columns out, however it is cut."""

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_reading import opened, read_all, read_pieces
from format_tables import CASES, FEATURES, ROWS, Case, small
from numpy.testing import assert_array_equal

from mr.storage.columns import Columns, Sparse
from mr.storage.errors import (
    DataError,
    EmptyDataset,
    MalformedRecord,
    MixedFormats,
    UsageError,
)
from mr.storage.filesystem import list_files
from mr.storage.formats import BUILTIN, COMPRESSED, SUFFIXES, detect, get, names
from mr.storage.formats.base import ReadOptions
from mr.storage.formats.lines import COMPRESSIONS

BLOCK_SIZES = [1, 7, 64, 100, 333, 1000, 1 << 20]
TABLE = small()

every = pytest.mark.parametrize("case", CASES, ids=str)
named = pytest.mark.parametrize("case", [c for c in CASES if c.named], ids=str)
lines = pytest.mark.parametrize(
    "case", [c for c in CASES if c.name in {"libsvm", "csv", "jsonl"}], ids=str
)


def written(case: Case, directory: Path, extra: list[str] | None = None) -> Path:
    path = directory / f"part{case.suffix}"
    case.write(path, TABLE, [*FEATURES, "label", *(extra or [])])
    return path


def label_of(case: Case, name: str = "label") -> str:
    if case.named:
        return name
    return str({"label": 3, "weight": 4, "key": 5}[name])


def dense(columns: Columns, width: int = len(FEATURES)) -> np.ndarray:
    features = columns.features
    return features.dense(width) if isinstance(features, Sparse) else features


@every
@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_any_block_size_gives_the_table(case, block_size, tmp_path):
    columns = read_all(written(case, tmp_path), block_size, label=label_of(case))
    assert_array_equal(dense(columns), TABLE.X)
    assert_array_equal(columns.labels, TABLE.numbers)
    assert columns.labels.dtype == np.float64
    assert columns.weights is None
    assert columns.ids is None
    assert columns.text is None


@every
def test_positions_are_unique_and_independent_of_the_block_size(case, tmp_path):
    path = written(case, tmp_path)
    expected = read_all(path, 1 << 20, label=label_of(case))
    assert len(np.unique(expected.position)) == ROWS
    assert_array_equal(expected.ordinal, np.zeros(ROWS))
    for block_size in BLOCK_SIZES:
        columns = read_all(path, block_size, label=label_of(case))
        assert_array_equal(columns.position, expected.position)
    unit = get(case.name).unit
    if unit == "row":
        assert_array_equal(expected.position, np.arange(ROWS))
    else:
        content = path.read_bytes()
        assert all(content[p - 1 : p] in {b"", b"\n"} for p in expected.position)


@every
def test_small_blocks_make_many_pieces_that_cover_the_file_in_order(case, tmp_path):
    _, pieces = opened(written(case, tmp_path), 64, ReadOptions(label=label_of(case)))
    assert len(pieces) > 1 or case.suffix == ".arrows"
    for (before, _), (after, _) in pairwise(pieces):
        assert before.stop == after.start
    assert (
        sum(piece.nbytes for piece, _ in pieces) <= (tmp_path / f"part{case.suffix}").stat().st_size
    )


@named
@pytest.mark.parametrize("block_size", [50, 1 << 20])
def test_labels_may_be_strings(case, block_size, tmp_path):
    path = tmp_path / f"part{case.suffix}"
    case.write(path, TABLE, [*FEATURES, "kind"])
    columns = read_all(path, block_size, label="kind")
    assert columns.labels.dtype.kind == "U"
    assert_array_equal(columns.labels, TABLE.names)


@named
def test_a_label_type_that_is_asked_for_holds(case, tmp_path):
    path = tmp_path / f"part{case.suffix}"
    case.write(path, TABLE, [*FEATURES, "key"])
    strings = read_all(path, label="key", label_type="string").labels
    assert_array_equal(strings, TABLE.keys.astype(str))
    assert read_all(path, label="key", label_type="number").labels.dtype == np.float64
    case.write(path, TABLE, [*FEATURES, "kind"])
    with pytest.raises(MalformedRecord, match="label_type"):
        read_all(path, label="kind", label_type="number")


@pytest.mark.parametrize("case", [c for c in CASES if c.roles], ids=str)
@pytest.mark.parametrize("block_size", [100, 1 << 20])
def test_weights_and_ids_are_taken_out_of_the_features(case, block_size, tmp_path):
    path = written(case, tmp_path, ["weight", "key"])
    columns = read_all(
        path,
        block_size,
        label=label_of(case),
        weight=label_of(case, "weight"),
        id=label_of(case, "key"),
    )
    assert_array_equal(dense(columns), TABLE.X)
    assert_array_equal(columns.weights, TABLE.weights)
    assert columns.weights.dtype == np.float64
    assert 0 in columns.weights
    assert columns.ids.astype(float).tolist() == TABLE.keys.tolist()


@named
def test_names_are_those_of_the_features_in_order(case, tmp_path):
    path = written(case, tmp_path)
    _, pieces = opened(path, 1 << 20, ReadOptions(label="label"))
    assert pieces[0][1].names == FEATURES


@named
def test_a_column_that_is_not_there_is_named_with_those_that_are(case, tmp_path):
    path = written(case, tmp_path)
    for role in ("label", "weight", "id"):
        with pytest.raises(UsageError, match=r"(?s)nonsense.*height.*depth"):
            read_all(path, **{role: "nonsense"})


@named
def test_text_among_the_features_is_refused_by_column(case, tmp_path):
    path = written(case, tmp_path, ["kind"])
    with pytest.raises(MalformedRecord) as caught:
        read_all(path, label="label")
    assert caught.value.place.column == "kind"
    assert "label=" in caught.value.remedy


@every
def test_a_file_of_no_bytes(case, tmp_path):
    path = tmp_path / f"part{case.suffix}"
    path.write_bytes(b"")
    if case.empty_is_error:
        with pytest.raises(DataError) as caught:
            read_pieces(path, label=label_of(case))
        assert caught.value.place.file.endswith(path.name)
    else:
        assert read_pieces(path) == []


@named
def test_a_header_without_rows(case, tmp_path):
    path = tmp_path / f"part{case.suffix}"
    if case.name == "jsonl":
        pytest.skip("has no header")
    if case.name == "csv":
        delimiter = "\t" if case.suffix == ".tsv" else ","
        path.write_text(delimiter.join(["a", "b", "label"]))
    else:
        empty = pa.table({"a": pa.array([], pa.float64()), "label": pa.array([], pa.int64())})
        if case.name == "parquet":
            pq.write_table(empty, path)
        else:
            new = pa.ipc.new_stream if case.suffix == ".arrows" else pa.ipc.new_file
            with new(path, empty.schema) as writer:
                writer.write_table(empty)
    assert sum(part.rows for part in read_pieces(path, label="label")) == 0


@every
def test_several_files_keep_their_ordinals(case, tmp_path):
    for name in ("b", "a"):
        case.write(tmp_path / f"{name}{case.suffix}", TABLE, [*FEATURES, "label"])
    columns = read_all(tmp_path, 100, label=label_of(case))
    assert_array_equal(columns.ordinal, np.repeat([0, 1], ROWS))
    identity = set(zip(columns.ordinal.tolist(), columns.position.tolist(), strict=True))
    assert len(identity) == 2 * ROWS


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name in {"libsvm", "csv", "jsonl"}], ids=str
)
def test_text_may_be_decoded_to_float32(case, tmp_path):
    columns = read_all(written(case, tmp_path), 100, label=label_of(case), dtype="float32")
    features = columns.features
    stored = features.data if isinstance(features, Sparse) else features
    assert stored.dtype == np.float32
    assert_array_equal(dense(columns), TABLE.X.astype(np.float32))


@lines
@pytest.mark.parametrize("block_size", [40, 1 << 20])
def test_carriage_returns_blank_lines_and_a_missing_last_end_are_accepted(
    case, block_size, tmp_path
):
    path = written(case, tmp_path)
    text = path.read_bytes().replace(b"\n", b"\r\n\r\n").rstrip()
    path.write_bytes(text)
    columns = read_all(path, block_size, label=label_of(case))
    assert_array_equal(dense(columns), TABLE.X)
    assert_array_equal(columns.labels, TABLE.numbers)
    assert all(text[p - 1 : p] in {b"", b"\n"} for p in columns.position)


@lines
def test_a_byte_order_mark_is_no_part_of_the_data(case, tmp_path):
    path = written(case, tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    columns = read_all(path, 50, label=label_of(case))
    assert_array_equal(columns.labels, TABLE.numbers)


@lines
@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_lines_are_one_piece_with_a_warning(case, suffix, tmp_path):
    import bz2
    import lzma

    plain = written(case, tmp_path)
    expected = read_all(plain, label=label_of(case))
    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    path = tmp_path / f"packed{case.suffix}{suffix}"
    path.write_bytes(compress(plain.read_bytes()))
    with pytest.warns(UserWarning, match="Parquet"):
        (columns,) = read_pieces(path, 16, label=label_of(case))
    assert_array_equal(dense(columns), TABLE.X)
    assert_array_equal(columns.position, expected.position)


def test_text_keeps_every_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\n\nthree\x00\xff\nlast")
    for block_size in (1, 3, 100):
        columns = read_all(path, block_size)
        assert columns.text.tolist() == [b"one", b"", b"three\x00\xff", b"last"]
        assert columns.position.tolist() == [0, 5, 6, 14]
        assert columns.features is None


def test_float32_alone_stays_and_anything_else_is_float64(tmp_path):
    narrow = {"a": pa.array([1, None], pa.float32()), "b": pa.array([3, 4], pa.float32())}
    wide = {**narrow, "c": pa.array([True, False]), "d": pa.array([1 << 60, None], pa.int64())}
    for name, columns in (("narrow", narrow), ("wide", wide)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    assert read_all(tmp_path / "narrow.parquet").features.dtype == np.float32
    features = read_all(tmp_path / "wide.parquet").features
    assert features.dtype == np.float64
    assert_array_equal(features, [[1, 3, 1, 1 << 60], [np.nan, 4, 0, np.nan]])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3)])
def test_a_column_of_lists_is_a_matrix(kind, tmp_path):
    rows = [[1, 2, 3], [4, None, 6]]
    table = pa.table({"f": pa.array(rows, kind), "y": pa.array(["a", "b"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    columns = read_all(tmp_path / "a.parquet", label="y")
    assert_array_equal(columns.features, [[1, 2, 3], [4, np.nan, 6]])
    assert columns.labels.tolist() == ["a", "b"]


def test_lists_of_different_lengths_are_refused_by_row(tmp_path):
    pq.write_table(pa.table({"f": [[1.0, 2.0], [3.0]]}), tmp_path / "a.parquet")
    with pytest.raises(MalformedRecord, match=r"(?s)1 values.*row 1, column f"):
        read_all(tmp_path / "a.parquet")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i2", "?"])
def test_npy_of_any_order_and_type(order, dtype, tmp_path):
    matrix = np.asarray(np.arange(12).reshape(4, 3) % 2, dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", matrix)
    columns = read_all(tmp_path / "a.npy", 8, label="-1")
    assert columns.features.dtype == (np.float32 if dtype == "f4" else np.float64)
    assert_array_equal(columns.features, matrix[:, :2].astype(float))
    assert_array_equal(columns.labels, matrix[:, 2].astype(float))


def test_json_booleans_are_numbers_and_missing_keys_are_missing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"a": true, "b": 1}\n{"b": 2.5}\n{"a": false, "b": null}\n{"a": 0.5, "b": 1}\n'
    )
    for block_size in (10, 1000):
        assert_array_equal(
            read_all(path, block_size).features, [[1, 1], [np.nan, 2.5], [0, np.nan], [0.5, 1]]
        )


def test_json_integers_of_any_size_are_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"a": 1, "k": 9007199254740993}\n{"a": 123456789012345678901234567890, "k": 2}\n'
    )
    columns = read_all(path, id="k")
    assert columns.features.tolist() == [[1.0], [123456789012345678901234567890.0]]
    assert columns.ids.tolist() == [9007199254740993, 2]


def test_csv_ids_are_kept_as_written(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("k,x\n007,1\n8.0,2\n,3\n")
    assert read_all(path, id="k").ids.tolist() == ["007", "8.0", ""]


def test_csv_quoted_fields_and_missing_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,y,"a ""label"""\n"1.5", NA,"b,c"\n+2,nan,"say ""so"""\n,-inf,\n')
    for block_size in (5, 100):
        columns = read_all(path, block_size, label='a "label"')
        assert_array_equal(columns.features, [[1.5, np.nan], [2, np.nan], [np.nan, -np.inf]])
        assert columns.labels.tolist()[:2] == ["b,c", 'say "so"']


def test_detection(tmp_path):
    for name in ("a.csv", "b.CSV.gz"):
        (tmp_path / name).write_bytes(b"x\n1\n")
    assert detect(list_files(tmp_path)) == "csv"
    (tmp_path / "c.jsonl").write_bytes(b"")
    with pytest.raises(MixedFormats, match=r"csv \(a.csv\), jsonl \(c.jsonl\)"):
        detect(list_files(tmp_path))
    (tmp_path / "README").write_bytes(b"")
    with pytest.raises(UsageError, match="format="):
        detect(list_files(tmp_path / "README"))


def test_an_unknown_format_is_answered_with_the_known():
    with pytest.raises(UsageError, match=r"cvs.*\n.*csv, jsonl, libsvm"):
        get("cvs")


def test_the_tables_of_names_agree_with_the_readers():
    assert set(names()) == set(BUILTIN)
    by_reader = {suffix: name for name in BUILTIN for suffix in get(name).suffixes}
    assert by_reader == SUFFIXES
    assert all(get(name).name == name for name in BUILTIN)
    assert set(COMPRESSED) == set(COMPRESSIONS)


def test_an_empty_json_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n \n")
    with pytest.raises(EmptyDataset, match="no records"):
        read_all(tmp_path / "a.jsonl")


def test_keys_too_large_for_an_int64_are_strings(tmp_path):
    pq.write_table(
        pa.table({"x": [1.0], "k": pa.array([1 << 63], pa.uint64())}), tmp_path / "a.parquet"
    )
    assert read_all(tmp_path / "a.parquet", id="k").ids.tolist() == [str(1 << 63)]
