"""Data in memory as a dataset: what is taken, and what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from mr import Dataset
from mr.storage import scratch
from mr.storage.columns import Sparse
from mr.storage.errors import InvalidWeight, MalformedRecord, UsageError

X = np.arange(12.0).reshape(6, 2)


def all_of(data: Dataset):
    (block,) = data.blocks
    return data.read(block.index)


class TestArrays:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_of_floats_are_not_copied(self, dtype):
        mine = X.astype(dtype)
        found = all_of(Dataset.from_arrays(mine)).features
        assert found.dtype == dtype
        assert np.shares_memory(found, mine)

    @pytest.mark.parametrize("dtype", [np.int8, np.uint64, bool, np.float16, object])
    def test_of_other_numbers_become_float64(self, dtype):
        found = all_of(Dataset.from_arrays(X.astype(dtype))).features
        assert found.dtype == np.float64
        assert found.tolist() == X.astype(dtype).astype(float).tolist()

    def test_may_be_lists_or_lie_in_any_order(self):
        for given in (X.tolist(), np.asfortranarray(X), X[::-1, ::-1]):
            found = all_of(Dataset.from_arrays(given)).features
            assert found.tolist() == np.asarray(given).tolist()

    @pytest.mark.parametrize(
        ("y", "expected"),
        [
            ([1, 0, 1, 0, 1, 0], [1.0, 0.0] * 3),
            ([True, False] * 3, [1.0, 0.0] * 3),
            (list("ababab"), list("ababab")),
            (np.array(list("ababab"), object), list("ababab")),
            ([1.5, np.nan] * 3, None),
        ],
    )
    def test_labels_are_numbers_or_strings(self, y, expected):
        found = all_of(Dataset.from_arrays(X, y)).labels
        assert found.dtype.kind in "fU"
        if expected:
            assert found.tolist() == expected
        else:
            assert np.isnan(found).tolist() == [False, True] * 3

    def test_ids_are_kept_as_they_are(self):
        large = 2**53 + 1
        assert all_of(Dataset.from_arrays(X, id=np.arange(6) + large)).ids[0] == large
        assert all_of(Dataset.from_arrays(X, id=np.arange(6) / 2)).ids[1] == 0.5
        assert all_of(Dataset.from_arrays(X, id=list("abcdef"))).ids[5] == "f"
        assert all_of(Dataset.from_arrays(X, id=np.full(6, 2**63, np.uint64))).ids[0] == str(2**63)

    def test_weights_may_be_zero(self):
        assert (
            all_of(Dataset.from_arrays(X, weight=[0, 1, 2, 0, 1, 2])).weights.tolist()
            == [
                0.0,
                1.0,
                2.0,
            ]
            * 2
        )

    @pytest.mark.parametrize("bad", [-1.0, np.nan, -0.001, np.inf])
    def test_weights_that_cannot_be_are_refused_with_their_row(self, bad):
        weight = np.ones(6)
        weight[4] = bad
        with pytest.raises(InvalidWeight, match=r"weight is") as caught:
            Dataset.from_arrays(X, weight=weight)
        assert caught.value.place.row == 4

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"X": X.ravel()}, "1 dimensions"),
            ({"X": X[None]}, "3 dimensions"),
            ({"X": [["a", "b"]]}, "does not hold numbers"),
            ({"X": X, "y": [1, 2]}, r"y has shape \(2,\), and X has 6 rows"),
            ({"X": X, "y": np.ones((6, 1))}, "y has shape"),
            ({"X": X, "y": np.full((6, 1), "a", object)}, "y has shape"),
            ({"X": X, "weight": [1.0]}, "weight has shape"),
            ({"X": X, "id": 3}, "id has shape"),
            ({"X": X, "names": ["a"]}, "1 names were given for 2 columns"),
            ({"X": X, "block_size": 0}, "block size of 0"),
        ],
    )
    def test_that_do_not_agree_are_refused(self, given, says):
        with pytest.raises(UsageError, match=says):
            Dataset.from_arrays(**given)

    def test_may_be_empty_in_either_way(self):
        assert Dataset.from_arrays(np.zeros((0, 3))).blocks == ()
        assert all_of(Dataset.from_arrays(np.zeros((3, 0)), np.ones(3))).rows == 3


class TestScipy:
    @pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok"])
    def test_matrices_of_all_kinds_are_taken(self, kind):
        found = all_of(Dataset.from_arrays(scipy.sparse.csr_array(X).asformat(kind))).features
        assert isinstance(found, Sparse)
        assert found.dense(2).tolist() == X.tolist()

    def test_values_of_one_place_are_added_and_columns_sorted(self):
        given = scipy.sparse.csr_array(([1.0, 2.0, 5.0], [1, 1, 0], [0, 3]), shape=(1, 2))
        found = all_of(Dataset.from_arrays(given)).features
        assert (found.data.tolist(), found.indices.tolist()) == ([5.0, 3.0], [0, 1])
        assert given.nnz == 3, "the caller's own matrix was changed"

    def test_float32_stays(self):
        given = scipy.sparse.csr_array(X.astype(np.float32))
        assert all_of(Dataset.from_arrays(given)).features.data.dtype == np.float32


TABLE = {"a": [1.0, None, 3.0], "y": ["u", "v", "u"], "w": [1, 0, 2], "key": [7, 8, 2**53 + 1]}
ROLES = {"label": "y", "weight": "w", "id": "key"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset.from_arrow(pa.table(TABLE), **ROLES),
        lambda: Dataset.from_arrow(pa.RecordBatch.from_pydict(TABLE), **ROLES),
        lambda: Dataset.from_pandas(pd.DataFrame(TABLE), **ROLES),
        lambda: Dataset.from_pandas(pd.DataFrame(TABLE).astype({"y": "category"}), **ROLES),
    ],
    ids=["Arrow table", "Arrow batch", "pandas", "pandas category"],
)
def test_tables_are_taken_apart(make):
    data = make()
    found = all_of(data)
    assert data.names == ("a",)
    assert np.isnan(found.features).tolist() == [[False], [True], [False]]
    assert found.labels.tolist() == ["u", "v", "u"]
    assert found.weights.tolist() == [1.0, 0.0, 2.0]
    assert found.ids.tolist() == [7, 8, 2**53 + 1]


class TestTables:
    def test_missing_labels_are_missing_and_no_class(self):
        table = pa.table({"a": [1.0, 2.0, 3.0], "n": [1, None, 0], "s": ["x", None, "y"]})
        numbers = all_of(Dataset.from_arrow(table.drop(["s"]), label="n")).labels
        assert numbers.dtype == np.float64
        assert np.isnan(numbers).tolist() == [False, True, False]
        strings = all_of(Dataset.from_arrow(table.drop(["n"]), label="s")).labels
        assert strings.tolist() == ["x", "", "y"]

    @pytest.mark.parametrize("role", ["label", "weight", "id"])
    def test_a_column_that_is_not_there_is_refused_with_those_that_are(self, role):
        with pytest.raises(UsageError, match="'z'") as caught:
            Dataset.from_arrow(pa.table(TABLE), **{role: "z"})
        assert "a, y, w, key" in caught.value.remedy

    def test_features_that_are_text_are_refused_by_name(self):
        with pytest.raises(MalformedRecord, match="string, not numbers") as caught:
            Dataset.from_arrow(pa.table(TABLE), label="w")
        assert caught.value.place.column == "y"

    @pytest.mark.parametrize("bad", [-1.0, None])
    def test_weights_that_cannot_be_are_refused_with_their_row(self, bad):
        with pytest.raises(InvalidWeight) as caught:
            Dataset.from_arrow(pa.table({"a": [1.0, 2.0], "w": [1.0, bad]}), weight="w")
        assert (caught.value.place.row, caught.value.place.column) == (1, "w")

    def test_float32_stays_where_all_are(self):
        narrow = pa.table({"a": pa.array([1.0], pa.float32()), "b": pa.array([2.0], pa.float32())})
        assert all_of(Dataset.from_arrow(narrow)).features.dtype == np.float32


class TestIdentity:
    base = Dataset.from_arrays(X, np.ones(6)).digest()

    def test_is_that_of_the_values(self):
        assert Dataset.from_arrays(X.copy(), np.ones(6)).digest() == self.base

    def test_changes_with_any_of_them(self):
        others = [
            Dataset.from_arrays(X, np.zeros(6)),
            Dataset.from_arrays(X),
            Dataset.from_arrays(X + 1e-15, np.ones(6)),
            Dataset.from_arrays(X.astype(np.float32), np.ones(6)),
            Dataset.from_arrays(X.reshape(6, 2)[::-1], np.ones(6)),
            Dataset.from_arrays(X, np.ones(6), weight=np.ones(6)),
            Dataset.from_arrays(X, np.ones(6), id=list("abcdef")),
            Dataset.from_arrays(X, np.ones(6), names=["a", "b"]),
            Dataset.from_arrays(scipy.sparse.csr_array(X), np.ones(6)),
            Dataset.from_arrays(X, np.ones(6), block_size=16),
        ]
        assert len({self.base, *(other.digest() for other in others)}) == len(others) + 1


def spilled() -> set[Path]:
    return set(scratch.directory().glob("arrays-*"))


class TestTravel:
    def test_arrays_go_by_one_file_that_goes_with_the_source(self):
        gc.collect()
        before = spilled()
        data = Dataset.from_arrays(np.ones((1000, 5)), block_size=8000)
        message = pickle.dumps(data)
        assert pickle.dumps(data) == message
        assert len(message) < 2000
        assert len(spilled() - before) == 1
        there = pickle.loads(message)
        assert there.digest() == data.digest()
        assert there.read(2).features.tolist() == data.read(2).features.tolist()
        del data, there
        gc.collect()
        assert spilled() == before

    def test_a_copy_outlives_what_it_was_copied_from(self):
        data = Dataset.from_arrays(np.full((3, 1), 7.0))
        other = copy.deepcopy(data)
        del data
        gc.collect()
        assert pickle.loads(pickle.dumps(other)).read(0).features.tolist() == [[7.0]] * 3

    def test_one_of_two_with_the_same_values_outlives_the_other(self):
        one, two = (Dataset.from_arrays(np.full((3, 1), 8.0)) for _ in range(2))
        pickle.dumps(one), pickle.dumps(two)
        del one
        gc.collect()
        assert pickle.loads(pickle.dumps(two)).read(0).features.tolist() == [[8.0]] * 3
