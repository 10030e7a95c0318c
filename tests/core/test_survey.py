"""The survey, held to what numpy and pandas say of the same data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from mr import Dataset, fold
from mr.algorithms.logistic import check_suitable
from mr.errors import EmptyDataset, MissingValues, SchemaMismatch, UnsuitableLabels
from mr.reduce import fold as fold_tree
from mr.storage.cache import BlockCache
from mr.storage.reader import Reader
from mr.survey import MOST_CLASSES, Facts, Survey, SurveyJob, facts


def survey(dataset: Dataset) -> Facts:
    """Return the facts of all of a dataset, taken inline."""
    return facts(dataset, fold(SurveyJob(), dataset, engine="inline"))


def table(seed: int, rows: int = 200, width: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, width)) * np.geomspace(0.01, 100.0, width)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


class TestFeatures:
    def test_are_counted_and_summed_as_pandas_does(self, seed):
        X = table(seed)
        found, frame = survey(Dataset.from_arrays(X, block_size=700)), pd.DataFrame(X)
        np.testing.assert_allclose(found.mean, frame.mean(), rtol=1e-12)
        np.testing.assert_allclose(found.mean_square, (frame**2).mean(), rtol=1e-12)
        schema = found.schema
        assert (schema.rows, schema.width, schema.stored) == (200, 4, 800)
        assert schema.missing == frame.isna().sum().sum()
        assert schema.dtype == "float64"
        assert not schema.sparse

    def test_sparse_ones_count_absent_values_as_zeros(self, seed):
        X = table(seed)
        X[np.random.default_rng(seed).random(X.shape) < 0.8] = 0.0
        X[7, 2] = np.nan
        found = survey(Dataset.from_arrays(scipy.sparse.csr_array(X), block_size=700))
        dense = survey(Dataset.from_arrays(X, block_size=700))
        np.testing.assert_allclose(found.mean, dense.mean, rtol=1e-12)
        np.testing.assert_allclose(found.mean_square, dense.mean_square, rtol=1e-12)
        assert found.schema.missing == dense.schema.missing > 0
        assert found.schema.first_missing == dense.schema.first_missing
        assert found.schema.stored == np.count_nonzero(X)

    @pytest.mark.parametrize(("density", "sparse"), [(0.05, True), (0.6, False)])
    def test_are_laid_out_sparse_where_few_are_stored(self, density, sparse):
        X = scipy.sparse.random_array((100, 20), density=density, format="csr")
        assert survey(Dataset.from_arrays(X)).schema.sparse is sparse

    def test_are_float32_where_all_are(self):
        narrow = np.ones((10, 2), np.float32)
        assert survey(Dataset.from_arrays(narrow)).schema.dtype == "float32"
        assert survey(Dataset.from_arrays(narrow.astype(float))).schema.dtype == "float64"

    def test_the_first_missing_value_has_a_place_whatever_the_blocks(self):
        X = np.ones((100, 3))
        X[41, 2] = X[41, 1] = X[90, 0] = np.nan
        for block_size in (1, 500, 10_000):
            data = Dataset.from_arrays(X, names=["a", "b", "c"], block_size=block_size)
            place = survey(data).schema.first_missing
            assert (place.row, place.column) == (41, "b")

    def test_the_whole_is_surveyed_and_not_the_selected(self):
        data = Dataset.from_arrays(table(1), block_size=700)
        part = data.sample(0.1)
        assert part.whole().digest() == data.digest()
        assert survey(part.whole()).schema == survey(data).schema


class TestLabels:
    def test_are_the_distinct_ones_sorted(self, seed):
        y = np.random.default_rng(seed).integers(-3, 4, 200).astype(float)
        schema = survey(Dataset.from_arrays(np.zeros((200, 1)), y, block_size=64)).schema
        assert schema.labels == "number"
        assert schema.classes == tuple(np.unique(y))

    def test_may_be_strings(self, seed):
        names = np.array(["ox", "a", "größe", "sheep"])
        y = np.random.default_rng(seed).choice(names, 200)
        schema = survey(Dataset.from_arrays(np.zeros((200, 1)), y, block_size=64)).schema
        assert schema.labels == "string"
        assert schema.classes == tuple(np.unique(y))

    @pytest.mark.parametrize(
        "y",
        [
            np.array([1.0, np.nan, 0.0, np.nan]),
            np.array(["a", "", "b", ""]),
            pd.Series(["a", None, "b", np.nan], dtype=object),
            pd.Series(["a", None, "b", None], dtype="string"),
            [1, None, 0, None],
        ],
        ids=["NaN", "empty text", "objects", "pandas strings", "a list"],
    )
    @pytest.mark.parametrize("block_size", [1, 10_000])
    def test_that_are_missing_are_no_class_and_are_refused(self, y, block_size):
        schema = survey(Dataset.from_arrays(np.ones((4, 1)), y, block_size=block_size)).schema
        assert schema.missing_labels == 2
        assert len(schema.classes) == 2
        with pytest.raises(MissingValues, match="2 labels are missing"):
            check_suitable(schema)

    @pytest.mark.parametrize(("distinct", "few"), [(MOST_CLASSES, True), (MOST_CLASSES + 1, False)])
    def test_too_many_are_not_classes(self, distinct, few):
        y = np.arange(2.0 * distinct) % distinct
        for block_size in (4096, 1 << 20):
            data = Dataset.from_arrays(np.zeros((len(y), 1)), y, block_size=block_size)
            schema = survey(data).schema
            assert (schema.classes == tuple(range(distinct))) is few
            assert (schema.classes is None) is not few

    def test_of_one_class_are_refused(self):
        schema = survey(Dataset.from_arrays(np.zeros((5, 1)), np.ones(5))).schema
        with pytest.raises(UnsuitableLabels, match=r"label 1\b"):
            check_suitable(schema)

    @pytest.mark.parametrize("block_size", [4, 1 << 20], ids=["in two blocks", "in one block"])
    @pytest.mark.parametrize("order", [("1", "x"), ("x", "1")])
    def test_of_both_kinds_are_refused_whatever_the_blocks(self, tmp_path, block_size, order):
        for name, label in zip("ab", order, strict=True):
            (tmp_path / f"{name}.csv").write_text(f"f,y\n1,{label}\n")
        data = Dataset(tmp_path, label="y", block_size=block_size)
        with pytest.raises(SchemaMismatch, match=r"such as 1, .* such as 'x'") as caught:
            survey(data)
        assert "label_type" in caught.value.remedy
        strings = Dataset(tmp_path, label="y", block_size=block_size, label_type="string")
        assert survey(strings).schema.classes == ("1", "x")


def test_weights_are_noticed():
    X = np.ones((4, 1))
    assert survey(Dataset.from_arrays(X, weight=[0, 1, 2, 3])).schema.weighted
    assert not survey(Dataset.from_arrays(X)).schema.weighted


def test_nothing_is_known_of_no_records():
    with pytest.raises(EmptyDataset):
        facts(Dataset.from_arrays(np.ones((1, 1))), None)


def test_files_may_show_different_widths_and_one_be_empty(tmp_path):
    (tmp_path / "a.libsvm").write_text("1 1:2\n")
    (tmp_path / "b.libsvm").write_text("")
    (tmp_path / "c.libsvm").write_text("0 5:1 7:3\n")
    for block_size in (1, 1 << 20):
        found = survey(Dataset(tmp_path, block_size=block_size))
        assert found.mean.tolist() == [1.0, 0, 0, 0, 0.5, 0, 1.5]
        assert found.schema.rows == 2


@given(data=st.data(), cuts=st.integers(1, 8))
def test_merging_any_cut_gives_the_same_survey(data, cuts):
    rows = data.draw(st.integers(1, 24))
    values = st.sampled_from([0.0, 1.0, -2.5, np.nan])
    X = np.array(data.draw(st.lists(st.tuples(values, values), min_size=rows, max_size=rows)))
    y = data.draw(st.lists(st.sampled_from([1.0, 2.0, np.nan]), min_size=rows, max_size=rows))
    whole = Dataset.from_arrays(X, np.array(y))
    size = max(1, whole.source.nbytes // cuts)
    reader = Reader(Dataset.from_arrays(X, np.array(y), block_size=size), BlockCache("none", 0))
    blocks = len(reader.dataset.blocks)
    merged = fold_tree((0, blocks), lambda i: SurveyJob().map(reader.open(i), {}), Survey.merge)
    expected = fold(SurveyJob(), whole, engine="inline")
    # Small numbers add up exactly, so that even the sums are equal in any cut.
    assert merged.arrays().keys() == expected.arrays().keys()
    for name, array in expected.arrays().items():
        assert merged[name].tobytes() == array.tobytes(), name
        assert merged[name].dtype == array.dtype, name


def test_a_survey_comes_back_from_its_encoding():
    data = Dataset.from_arrays(table(3), np.array(["a", "b"] * 100))
    found = fold(SurveyJob(), data, engine="inline")
    again = Survey.decode(found.encode())
    assert {k: v.tobytes() for k, v in again.arrays().items()} == {
        k: v.tobytes() for k, v in found.arrays().items()
    }
