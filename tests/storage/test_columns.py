"""Decoded records: taken, cut and joined without a record lost or changed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from mr.storage.columns import Columns, Sparse, concatenate, from_arrays, to_arrays
from mr.storage.errors import SchemaMismatch


def sparse(matrix: np.ndarray) -> Sparse:
    csr = scipy.sparse.csr_array(matrix)
    indices, indptr = csr.indices.astype(np.int32), csr.indptr.astype(np.int64)
    return Sparse(csr.data, indices, indptr, matrix.shape[1])


def columns(X: np.ndarray, *, compressed: bool = False, ordinal: int = 0) -> Columns:
    """Return records that can be told apart in every column."""
    rows = len(X)
    return Columns(
        ordinal=np.full(rows, ordinal, np.int64),
        position=np.arange(rows, dtype=np.int64),
        features=sparse(X) if compressed else X,
        labels=np.array([f"label {row}" for row in range(rows)], dtype="U12"),
        weights=np.arange(rows) / 2,
        ids=np.arange(rows, dtype=np.int64) + 2**53,
    )


def dense(features: np.ndarray | Sparse, width: int) -> list[list[float]]:
    if isinstance(features, Sparse):
        return features.dense(width).tolist()
    return features.tolist()


def content(found: Columns, width: int) -> list[list[object]]:
    """Return all columns as plain values."""
    names = ("ordinal", "position", "labels", "weights", "ids")
    return [dense(found.features, width)] + [getattr(found, name).tolist() for name in names]


matrices = st.integers(0, 12).flatmap(
    lambda rows: st.lists(
        st.lists(st.sampled_from([0.0, 0.0, 1.5, -2.0]), min_size=3, max_size=3),
        min_size=rows,
        max_size=rows,
    ).map(lambda lines: np.array(lines, float).reshape(len(lines), 3))
)


@given(X=matrices, compressed=st.booleans(), data=st.data())
def test_take_picks_records_in_the_order_asked(X, compressed, data):
    picked = data.draw(st.lists(st.integers(0, len(X) - 1), max_size=8)) if len(X) else []
    rows = np.array(picked, np.int64)
    found = columns(X, compressed=compressed).take(rows)
    assert found.rows == len(rows)
    assert dense(found.features, 3) == X[rows].tolist()
    assert found.position.tolist() == picked
    assert found.ids.tolist() == [row + 2**53 for row in picked]
    assert found.labels.tolist() == [f"label {row}" for row in picked]


@given(X=matrices, compressed=st.booleans(), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_slices_joined_are_the_whole(X, compressed, cuts):
    whole = columns(X, compressed=compressed)
    bounds = [0, *sorted(min(cut, len(X)) for cut in cuts), len(X)]
    parts = [whole.slice(start, stop) for start, stop in pairwise(bounds)]
    assert content(concatenate(parts), 3) == content(whole, 3)


@given(X=matrices, compressed=st.booleans())
def test_named_arrays_make_the_same_columns_again(X, compressed):
    given_columns = columns(X, compressed=compressed)
    arrays = to_arrays(given_columns)
    found = from_arrays(arrays)
    assert content(found, 3) == content(given_columns, 3)
    assert found.width == given_columns.width == 3
    values = {name for name in arrays if arrays[name].size} - {"width"}
    assert all(np.shares_memory(arrays[name], to_arrays(found)[name]) for name in values)


def test_what_is_not_there_stays_so():
    bare = Columns(np.zeros(2, np.int64), np.arange(2))
    joined = concatenate([bare, bare])
    for found in (bare.take(np.array([1])), bare.slice(0, 1), joined.slice(0, 1)):
        assert found.rows == 1
        assert (found.features, found.labels, found.weights, found.ids) == (None,) * 4
    assert bare.width == 0
    assert from_arrays(to_arrays(bare)).features is None


def test_slices_are_views():
    whole = columns(np.ones((4, 3)))
    assert np.shares_memory(whole.slice(1, 3).features, whole.features)
    packed = columns(np.ones((4, 3)), compressed=True)
    assert np.shares_memory(packed.slice(1, 3).features.data, packed.features.data)


def test_sparse_parts_take_the_width_of_the_widest():
    narrow, wide = sparse(np.ones((1, 2))), sparse(np.ones((2, 5)))
    parts = [
        Columns(np.zeros(f.rows, np.int64), np.arange(f.rows), f) for f in (narrow, wide, narrow)
    ]
    joined = concatenate(parts).features
    assert (joined.rows, joined.width) == (4, 5)
    assert joined.dense(5)[0].tolist() == [1, 1, 0, 0, 0]


def labelled(labels: np.ndarray) -> Columns:
    return Columns(np.zeros(len(labels), np.int64), np.arange(len(labels)), labels=labels)


@pytest.mark.parametrize("order", [1, -1])
def test_numbers_and_strings_are_never_joined(order):
    parts = [labelled(np.array([1.0, 2.0])), labelled(np.array(["x"]))][::order]
    with pytest.raises(SchemaMismatch, match=r"such as 1,.* such as 'x'") as caught:
        concatenate(parts)
    assert "label_type" in caught.value.remedy


def test_parts_without_records_say_nothing_of_labels():
    parts = [labelled(np.zeros(0)), labelled(np.array(["x"])), labelled(np.zeros(0))]
    assert concatenate(parts).labels.tolist() == ["x"]
    assert concatenate([labelled(np.zeros(0))] * 2).rows == 0


def test_dense_parts_of_different_widths_are_refused():
    parts = [columns(np.ones((1, 2))), columns(np.ones((1, 3)))]
    with pytest.raises(SchemaMismatch, match=r"2 .* 3"):
        concatenate(parts)


@pytest.mark.parametrize("compressed", [False, True])
def test_read_only_records_cannot_be_changed_and_others_still_can(compressed):
    whole = columns(np.ones((3, 2)), compressed=compressed)
    frozen = whole.read_only()
    for name, array in to_arrays(frozen).items():
        if name != "width":
            with pytest.raises(ValueError, match="read-only"):
                array[:] = array
    whole.weights[0] = 9.0
    assert frozen.weights[0] == 9.0
