"""Predictions: in input order, lazy, and written whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from classifiers import ROWS, WIDTH, binary, in_blocks, model_of, ternary, write_csv

from mr import Dataset
from mr.algorithms.predictions import Predictions
from mr.errors import StorageError, UsageError
from mr.storage.export import gathered


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# -- values -----------------------------------------------------------------


def test_probabilities_of_two_classes(X):
    model = binary()
    table = Predictions(model, in_blocks(X)).to_arrow(engine="inline")
    p = 1 / (1 + np.exp(-(X @ model.coefficients[0] + 0.3)))
    assert table.column_names == ["row", "prediction", "probability_0", "probability_1"]
    assert table["row"].to_pylist() == list(range(ROWS))
    assert table["prediction"].to_pylist() == (p > 0.5).astype(int).tolist()
    np.testing.assert_allclose(table["probability_1"], p, rtol=1e-13)
    np.testing.assert_allclose(table["probability_0"], 1 - p, rtol=1e-12)


def test_a_small_probability_of_the_first_class_keeps_its_digits():
    model = model_of([[1.0]], [0.0], [0.0, 1.0])
    table = Predictions(model, Dataset.from_arrays(np.array([[50.0]]))).to_arrow()
    assert table["probability_0"][0].as_py() == pytest.approx(np.exp(-50), rel=1e-14)


def test_probabilities_of_three_classes(X):
    model = ternary()
    table = Predictions(model, in_blocks(X)).to_arrow(engine="inline")
    p = softmax(X @ model.coefficients.T + model.intercepts)
    found = np.stack([table[f"probability_{name}"] for name in model.classes], axis=1)
    np.testing.assert_allclose(found, p, rtol=1e-12)
    assert table["prediction"].to_pylist() == model.classes[p.argmax(axis=1)].tolist()


@pytest.mark.parametrize(
    ("classes", "shown", "columns"),
    [
        ([-1.0, 1.0], [-1, 1], ["probability_-1", "probability_1"]),
        ([0.5, 1.0], [0.5, 1.0], ["probability_0.5", "probability_1.0"]),
        (["0", "1"], ["0", "1"], ["probability_0", "probability_1"]),
    ],
)
def test_classes_are_shown_as_they_were_written(classes, shown, columns):
    model = model_of([[1.0]], [0.0], classes)
    table = Predictions(model, Dataset.from_arrays(np.array([[-1.0], [1.0]]))).to_arrow()
    assert table["prediction"].to_pylist() == shown
    assert table.column_names[2:] == columns


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_workers_compute_and_the_driver_reads_what_they_left(X, engine, monkeypatch, tmp_path):
    inline = Predictions(ternary(), in_blocks(X)).to_arrow(engine="inline")
    monkeypatch.setenv("GRADFOLD_CACHE", str(tmp_path))  # in which there is nothing yet
    predictions = Predictions(ternary(), in_blocks(X))
    total = predictions._compute({"engine": engine, "workers": 2})
    monkeypatch.setattr("mr.algorithms.scores._apply", None)  # the driver must not need it
    assert pa.concat_tables(predictions._tables(*total)).equals(inline)


def test_the_block_size_is_no_matter(X):
    key = np.arange(ROWS)
    few, many = (Predictions(ternary(), in_blocks(X, count, id=key)) for count in (2, 50))
    assert few.to_arrow().equals(many.to_arrow())


def test_what_the_cache_has_lost_is_computed_again(X, monkeypatch):
    monkeypatch.setenv("GRADFOLD_CACHE_SIZE", "1")
    table = Predictions(binary(), in_blocks(X)).to_arrow(engine="inline")
    assert table.num_rows == ROWS


def test_nothing_is_computed_before_it_is_asked_for(X, monkeypatch):
    monkeypatch.setattr("mr.algorithms.predictions.fold", None)
    shown = repr(Predictions(binary(), Dataset.from_arrays(X)))
    assert shown == "Predictions(2 classes, Dataset(memory, 1 block))"


def test_a_selection_is_predicted_in_input_order(X):
    keys = np.arange(ROWS)
    _, test = in_blocks(X, id=keys).random_split([0.7, 0.3], seed=3)
    found = Predictions(binary(), test).to_arrow()["id"].to_pylist()
    assert 40 < len(found) < 150
    assert found == sorted(found)


# -- files ------------------------------------------------------------------


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


READERS = {
    "parquet": lambda path: pa.parquet.read_table(path).to_pylist(),
    "csv": lambda path: pa.csv.read_csv(path).to_pylist(),
    "jsonl": read_jsonl,
}


@pytest.mark.parametrize("suffix", READERS)
def test_files_hold_the_same_values(X, suffix, tmp_path):
    keys = [f'é "{i}"' for i in range(ROWS)]
    predictions = Predictions(ternary(), in_blocks(X, id=keys))
    path = tmp_path / "new" / f"out.{suffix}"
    assert predictions.write(str(path)) == ROWS
    assert READERS[suffix](path) == predictions.to_arrow().to_pylist()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_format_may_be_said_and_a_file_is_replaced(X, tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    Predictions(binary(), in_blocks(X)).write(str(path), "jsonl")
    assert len(read_jsonl(path)) == ROWS


@pytest.mark.parametrize(
    ("name", "asked"), [("out", None), ("out.tsv", None), ("out.libsvm", None), ("a.csv", "npy")]
)
def test_a_format_that_cannot_be_written_is_refused_first(X, name, asked, monkeypatch, tmp_path):
    monkeypatch.setattr("mr.algorithms.predictions.fold", None)
    with pytest.raises(UsageError, match=r"format") as caught:
        Predictions(binary(), in_blocks(X)).write(str(tmp_path / name), asked)
    assert "jsonl" in caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_a_failure_in_the_midst_leaves_the_old_file_alone(X, monkeypatch, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    monkeypatch.setattr("mr.storage.export.ROWS", 1)

    def failing(tables, rows=1):
        yield next(iter(tables))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mr.storage.export.gathered", failing)
    with pytest.raises(StorageError, match="No space left"):
        Predictions(binary(), in_blocks(X)).write(str(path))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_an_object_store_gets_one_object(X):
    fsspec = pytest.importorskip("fsspec")
    Predictions(binary(), in_blocks(X)).write("memory://bucket/out.jsonl")
    lines = fsspec.filesystem("memory").cat_file("/bucket/out.jsonl").splitlines()
    assert len(lines) == ROWS


def test_tables_are_gathered_to_row_groups():
    parts = [pa.table({"a": np.arange(i, dtype=np.int64)}) for i in (3, 0, 4, 10, 1)]
    sizes = [table.num_rows for table in gathered(parts, 4)]
    assert sizes == [4, 4, 4, 4, 2]
    assert pa.concat_tables(gathered(parts, 4)).equals(pa.concat_tables(parts).combine_chunks())


# -- ids --------------------------------------------------------------------


def test_the_id_column_keeps_its_name_and_text(X, tmp_path):
    names = "abcde"
    path = write_csv(tmp_path / "d.csv", X, names, key=[f"{i:04}" for i in range(ROWS)])
    table = Predictions(binary(names), Dataset(path, id="key")).to_arrow()
    assert table.column_names[0] == "key"
    assert table["key"].to_pylist() == [f"{i:04}" for i in range(ROWS)]


def test_ids_that_are_missing_in_one_block_alone(X, tmp_path):
    names, keys = "abcde", [*range(ROWS - 1), None]  # integers, and in the last block strings
    table = pa.table({"key": keys, **{name: X[:, i] for i, name in enumerate(names)}})
    pa.parquet.write_table(table, tmp_path / "d.parquet", row_group_size=50)
    data = Dataset(tmp_path / "d.parquet", id="key", block_size=1)
    assert len(data.blocks) == 6
    found = Predictions(binary(names), data).to_arrow()["key"]
    assert found.to_pylist() == [*map(str, range(ROWS - 1)), ""]


def test_an_id_called_as_a_column_of_ours_is_refused(X, tmp_path):
    path = write_csv(tmp_path / "d.csv", X, "abcde", prediction=np.arange(ROWS))
    with pytest.raises(UsageError, match="'prediction'"):
        Predictions(binary("abcde"), Dataset(path, id="prediction")).to_arrow()
