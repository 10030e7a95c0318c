"""Data that a model is applied to: columns matched by name, and what is refused, with its place."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from classifiers import ROWS, WIDTH, binary, in_blocks, model_of, write_csv

from mr import Dataset
from mr.algorithms.predictions import Predictions
from mr.errors import EmptyDataset, MalformedRecord, MissingValues, SchemaMismatch, UsageError


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH))


# -- columns ----------------------------------------------------------------


def test_columns_are_matched_by_name(X, tmp_path):
    shuffled = [3, 0, 4, 2, 1]
    straight = write_csv(tmp_path / "a.csv", X, "abcde")
    moved = write_csv(tmp_path / "b.csv", X[:, shuffled], ["abcde"[i] for i in shuffled])
    one = Predictions(binary("abcde"), Dataset(straight)).to_arrow()
    other = Predictions(binary("abcde"), Dataset(moved)).to_arrow()
    assert one["prediction"].equals(other["prediction"])
    np.testing.assert_allclose(one["probability_1"], other["probability_1"], rtol=1e-13)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ("abcdx", "lacks the column 'e' and has the column 'x'"),
        ("abcd", "The data lacks the column 'e'\n"),
        ("abcdeyz", "has the columns 'y', 'z', unknown"),
    ],
)
def test_other_columns_are_refused_by_name(names, what, tmp_path):
    path = write_csv(tmp_path / "d.csv", np.zeros((3, len(names))), names)
    with pytest.raises(SchemaMismatch, match=what) as caught:
        Predictions(binary("abcde"), Dataset(path))
    assert caught.value.place.file.endswith("d.csv")


def test_sparse_data_may_be_narrower_or_dense(X, tmp_path):
    model = binary(sparse=True)
    narrow = tmp_path / "d.libsvm"
    narrow.write_text("0 1:1 2:0.5\n0 2:1\n0\n")
    found = Predictions(model, Dataset(narrow)).to_arrow()["probability_1"]
    z = np.array([1.5 - 1.0, -2.0, 0.0]) + 0.3
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-z)), rtol=1e-14)
    dense = Predictions(model, in_blocks(X)).to_arrow()["probability_1"]
    csr = Predictions(model, Dataset.from_arrays(scipy.sparse.csr_matrix(X))).to_arrow()
    assert dense.to_pylist() == csr["probability_1"].to_pylist()
    laid = Predictions(binary(), Dataset(narrow)).to_arrow()["probability_1"]
    np.testing.assert_allclose(laid, found, rtol=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
def test_wider_data_is_refused_with_its_place(sparse, tmp_path):
    wide = tmp_path / "d.libsvm"
    wide.write_text("0 1:1\n0 2:1 9:1\n")
    with pytest.raises(SchemaMismatch, match=r"9 feature columns or more, and the model 5") as e:
        Predictions(binary(sparse=sparse), Dataset(wide)).to_arrow()
    assert e.value.place.offset == 6
    with pytest.raises(SchemaMismatch, match="6 feature columns"):
        Predictions(binary(sparse=sparse), Dataset.from_arrays(np.ones((2, 6)))).to_arrow()


# -- values that cannot be predicted ------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("column", [1, 3])  # the coefficient of 3 is zero
def test_a_missing_value_is_refused_by_column_and_place(X, sparse, column, tmp_path):
    X[200, column] = np.nan
    model = binary("abcde", sparse=sparse)
    path = write_csv(tmp_path / "d.csv", X, "abcde")
    with pytest.raises(MissingValues) as caught:
        Predictions(model, Dataset(path, block_size=4096)).to_arrow(engine="inline")
    place = caught.value.place
    assert place.column == "abcde"[column]
    assert (tmp_path / "d.csv").read_bytes()[: place.offset].count(b"\n") == 201
    with pytest.raises(MissingValues):
        Predictions(model, in_blocks(X)).write(str(tmp_path / "out.csv"))
    assert not (tmp_path / "out.csv").exists()


def test_an_infinite_value_is_refused_by_column(X):
    X[7, 2] = np.inf
    with pytest.raises(MalformedRecord) as caught:
        Predictions(binary(), in_blocks(X)).to_arrow()
    assert (caught.value.place.row, caught.value.place.column) == (7, "2")


def test_a_model_that_diverged_is_refused():
    with pytest.raises(UsageError, match="not finite"):
        Predictions(model_of([[np.nan]], [0.0], [0.0, 1.0]), Dataset.from_arrays(np.ones((1, 1))))


def test_no_records_are_refused_and_nothing_is_written(X, tmp_path):
    (tmp_path / "d.csv").write_text("a,b,c,d,e\n")
    predictions = Predictions(binary("abcde"), Dataset(tmp_path / "d.csv"))
    with pytest.raises(EmptyDataset):
        predictions.write(str(tmp_path / "out.csv"))
    none = in_blocks(X).sample(1e-9)
    with pytest.raises(EmptyDataset, match="no records to predict"):
        Predictions(binary(), none).to_arrow()
    assert not (tmp_path / "out.csv").exists()
