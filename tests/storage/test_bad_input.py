"""Bad input ends in one message with file, place, cause and remedy."""

import gzip
import pickle
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from format_reading import read_all, read_pieces

from mr.storage.errors import (
    DataError,
    EmptyDataset,
    InvalidWeight,
    MalformedRecord,
    MixedFormats,
    NotFound,
    UsageError,
)


def failure(path, kind=DataError, block_size=1 << 20, **options):
    """Read a file that is bad and return the error, which must be whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of compressed files
        with pytest.raises(kind) as caught:
            read_pieces(path, block_size, **options)
    error = caught.value
    assert error.place.file is not None
    assert path.name in error.place.file
    assert error.remedy
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert "\n  where: " in str(error)
    return error


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("block_size", [4, 1 << 20])
def test_csv_text_in_a_feature(tmp_path, block_size):
    path = written(tmp_path / "a.csv", "x,y,label\n1,2,a\n\n3,tall,b\n5,6,a\n")
    error = failure(path, MalformedRecord, block_size, label="label")
    assert (error.place.line, error.place.offset, error.place.column) == (4, 17, "y")
    assert "'tall'" in error.what
    assert "feature" in error.cause


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1,2", "2 fields, and the header names 3"),
        ("1,2,a,4", "4 fields, and the header names 3"),
        ('1,2,"a', "cannot be cut"),
        ("1,1_000,a", "'1_000'"),
        ("1,true,a", "'true'"),
        ("1,2 3,a", "'2 3'"),
    ],
)
def test_csv_lines_that_do_not_fit(line, what, tmp_path):
    path = written(tmp_path / "a.csv", f"x,y,label\n1,2,b\n{line}\n7,8,b\n")
    for block_size in (5, 1 << 20):
        error = failure(path, MalformedRecord, block_size, label="label")
        assert what in error.what
        assert (error.place.line, error.place.offset) == (3, 16)


def test_csv_line_ends_inside_quotes(tmp_path):
    path = written(tmp_path / "a.csv", 'x,label\n1,"two\nlines"\n2,b\n')
    for block_size in (3, 1 << 20):
        error = failure(path, MalformedRecord, block_size, label="label")
        assert error.place.line == 2
        assert "quoted" in error.cause
        assert "Parquet" in error.remedy


def test_csv_that_is_not_utf8(tmp_path):
    path = written(tmp_path / "a.csv", b"x,label\n1,caf\xe9\n")
    error = failure(path, MalformedRecord, label="label")
    assert "UTF-8" in error.what
    assert error.place.line == 2
    path = written(tmp_path / "b.csv", b"\xff\xfex\x00,\x00y\x00")
    assert "UTF-8" in failure(path, MalformedRecord).remedy


def test_csv_headers(tmp_path):
    error = failure(written(tmp_path / "a.csv", "1,2,3\n4,5,6\n"), MalformedRecord)
    assert "no header line" in error.cause
    error = failure(written(tmp_path / "b.csv", "x,x\n1,2\n"), MalformedRecord)
    assert "'x'" in error.what
    assert failure(written(tmp_path / "c.csv", ""), EmptyDataset).what == "The file is empty"
    error = failure(written(tmp_path / "d.csv", "x;y;label\n1;2;a\n"), UsageError, label="label")
    assert "x;y;label" in error.remedy


def test_csv_labels_that_are_not_numbers(tmp_path):
    path = written(tmp_path / "a.csv", "x,label\n1,2\n1,\n3,b\n")
    assert read_all(path, label="label").labels.tolist() == ["2", "", "b"]
    error = failure(path, MalformedRecord, label="label", label_type="number")
    assert (error.place.line, error.place.column) == (4, "label")
    assert 'label_type="string"' in error.remedy


@pytest.mark.parametrize("weight", ["-1", "nan", "", "-0.5", "inf"])
def test_csv_weights(weight, tmp_path):
    path = written(tmp_path / "a.csv", f"x,w\n1,0\n2,{weight}\n3,1\n")
    for block_size in (2, 1 << 20):
        error = failure(path, InvalidWeight, block_size, weight="w")
        assert (error.place.line, error.place.offset, error.place.column) == (3, 8, "w")
        assert "zero leaves a record out" in error.cause


def test_weights_of_other_formats(tmp_path):
    table = pa.table({"x": [1.0, 2.0, 3.0], "w": [1.0, 2.0, None]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    error = failure(tmp_path / "a.parquet", InvalidWeight, weight="w")
    assert (error.place.row, error.place.column) == (2, "w")
    path = written(tmp_path / "a.jsonl", '{"x":1,"w":1}\n{"x":1,"w":-3}\n')
    error = failure(path, InvalidWeight, weight="w")
    assert (error.place.line, error.place.offset) == (2, 14)
    np.save(tmp_path / "a.npy", [[1.0, 1.0], [2.0, np.nan]])
    error = failure(tmp_path / "a.npy", InvalidWeight, block_size=16, weight="1")
    assert error.place.row == 1


@pytest.mark.parametrize(
    ("line", "what", "column"),
    [
        ('{"x": 1', "not a JSON object", None),
        ("[1, 2]", "is a list", None),
        ('{"x": "tall"}', "'tall'", "x"),
        ('{"x": [1]}', "nested", "x"),
        ('{"x": {"z": 1}}', "nested", "x"),
        ('{"x": 1, "z": 2}', "'z'", "z"),
        ('{"x": 1} {"x": 2}', "not a JSON object", None),
    ],
)
def test_json_lines_that_do_not_fit(line, what, column, tmp_path):
    path = written(tmp_path / "a.jsonl", f'{{"x": 1, "y": "a"}}\n\n{line}\n{{"x": 1}}\n')
    for block_size in (9, 1 << 20):
        error = failure(path, MalformedRecord, block_size, label="y")
        assert what in error.what
        assert (error.place.line, error.place.offset, error.place.column) == (3, 20, column)


def test_json_ids_of_two_types(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"x": 1, "k": 1}\n{"x": 1, "k": "a"}\n')
    assert "strings" in failure(path, MalformedRecord, id="k").remedy


@pytest.mark.parametrize("kept", [0, 3, 8, 100, 0.5, -1])
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows", "a.npy"])
def test_binary_files_that_are_cut_short(name, kept, tmp_path):
    path = tmp_path / name
    table = pa.table({f"x{k}": np.arange(300.0) for k in range(3)})
    if name == "a.parquet":
        pq.write_table(table, path)
    elif name == "a.npy":
        np.save(path, np.ones((300, 3)))
    else:
        new = pa.ipc.new_file if name == "a.arrow" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table, 100)
    content = path.read_bytes()
    end = int(kept * len(content)) if isinstance(kept, float) else kept
    if name == "a.arrows" and kept == -1:
        pytest.skip("a stream may end without its last mark")
    path.write_bytes(content[:end])
    error = failure(path)
    assert "cut short" in error.cause


def test_a_label_that_is_no_single_value(tmp_path):
    table = pa.table({"x": [1.0], "y": [[1, 2]], "k": pa.array([1 << 63], pa.uint64())})
    pq.write_table(table, tmp_path / "a.parquet")
    error = failure(tmp_path / "a.parquet", MalformedRecord, label="y", id="k")
    assert error.place.column == "y"


def test_damage_inside_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(1).random(5000)}), path, compression="gzip")
    content = bytearray(path.read_bytes())
    content[200:4000] = bytes(3800)
    path.write_bytes(content)
    assert "damaged" in failure(path).cause


def test_files_that_are_not_what_their_names_say(tmp_path):
    for name in ("a.parquet", "a.arrow", "a.npy"):
        failure(written(tmp_path / name, "x,y\n1,2\n" * 30))


def test_arrays_that_are_refused(tmp_path):
    cases = {
        "flat": np.zeros(3),
        "cube": np.zeros((2, 2, 2)),
        "text": np.array([["a"]]),
        "record": np.zeros((2, 2), [("a", float)]),
    }
    for name, array in cases.items():
        np.save(tmp_path / f"{name}.npy", array)
        failure(tmp_path / f"{name}.npy")
    np.save(tmp_path / "object.npy", np.array([[None]]), allow_pickle=True)
    assert "unpickled" in failure(tmp_path / "object.npy").cause
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    for label in ("label", "2", "-3"):
        assert "-1" in failure(tmp_path / "a.npy", UsageError, label=label).remedy


def test_the_first_feather(tmp_path):
    error = failure(written(tmp_path / "a.feather", b"FEA1" + bytes(40)))
    assert "Feather" in error.what


def test_a_truncated_gzip(tmp_path):
    content = gzip.compress(b"1 1:1 2:3\n" * 5000)
    error = failure(written(tmp_path / "a.libsvm.gz", content[:-20]))
    assert "cut short" in error.cause
    content = gzip.compress(b"x,y\n" + b"1,2\n" * 5000)
    error = failure(written(tmp_path / "a.csv.gz", content[: len(content) // 2]))
    assert "cut short" in error.cause


def test_the_line_of_an_error_in_a_compressed_file(tmp_path):
    path = written(tmp_path / "a.csv.gz", gzip.compress(b"x,y\n1,2\n3,z\n"))
    error = failure(path, MalformedRecord)
    assert (error.place.line, error.place.offset) == (3, 8)


def test_a_directory_of_several_formats(tmp_path):
    for name in ("a.csv", "b.csv", "c.libsvm"):
        written(tmp_path / name, "x\n1\n")
    with pytest.raises(MixedFormats, match=r"(?s)csv \(a.csv\), libsvm \(c.libsvm\).*remedy"):
        read_all(tmp_path)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(NotFound, match=r"(?s)no/file.csv.*remedy"):
        read_all(tmp_path / "no" / "file.csv")


def test_text_has_no_columns(tmp_path):
    failure(written(tmp_path / "a.txt", "x,y\n"), UsageError, label="y")
