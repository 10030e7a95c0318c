from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.algorithms.kernels.tiles import LANES, from_tiles, to_tiles


@given(n=st.integers(0, 200), d=st.integers(1, 40), real=st.sampled_from(["f4", "f8"]))
def test_there_and_back(n, d, real):
    X = np.random.default_rng(n).standard_normal((n, d)).astype(real)
    tiles = to_tiles(X)
    assert tiles.shape == (-(-n // LANES), d, LANES)
    assert tiles.dtype == X.dtype
    assert from_tiles(tiles, n).tobytes() == X.tobytes()


def test_layout_and_padding():
    X = np.arange(70 * 3, dtype=np.float32).reshape(70, 3)
    tiles = to_tiles(X)
    assert tiles[1, 2, 5] == X[69, 2]
    assert not tiles[1, :, 6:].any()


@pytest.mark.parametrize("order", ["F", "strided"])
def test_any_memory_order(order):
    X = np.random.default_rng(0).standard_normal((100, 7))
    other = np.asfortranarray(X) if order == "F" else np.repeat(X, 2, axis=1)[:, ::2]
    assert to_tiles(other).tobytes() == to_tiles(X).tobytes()


def test_writes_where_it_is_told():
    X = np.ones((65, 2))
    out = np.full((2, 2, LANES), np.nan)
    assert to_tiles(X, out) is out
    assert out.sum() == 130


def test_read_only_arrays_will_do():
    X = np.ones((65, 2))
    X.flags.writeable = False
    tiles = to_tiles(X)
    tiles.flags.writeable = False
    assert from_tiles(tiles, 65).tobytes() == X.tobytes()
