"""The layout of dense features: tiles of 64 rows, feature-major inside a tile.

``tiles[t, j, i]`` is feature ``j`` of row ``64 t + i``. A loop over ``i`` runs across rows,
so it needs no sum within a vector register and is vectorised in the order in which it is
written. The lanes behind the last row are zero.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from mr.algorithms.kernels.compile import kernel, readonly

Array = NDArray[Any]

LANES: Final = 64
# Features copied together: their lines of 64 lanes stay in the first-level cache.
_STRIP: Final = 16


@kernel(lambda real: types.void(readonly(real, 2), real[:, :, ::1]))
def _to_tiles(X: Array, tiles: Array) -> None:
    n, d = X.shape
    for t in range(tiles.shape[0]):
        start = t * LANES
        rows = min(LANES, n - start)
        for strip in range(0, d, _STRIP):
            stop = min(d, strip + _STRIP)
            for i in range(rows):
                for j in range(strip, stop):
                    tiles[t, j, i] = X[start + i, j]
            for j in range(strip, stop):
                for i in range(rows, LANES):
                    tiles[t, j, i] = 0.0


@kernel(lambda real: types.void(readonly(real, 3), real[:, ::1]))
def _from_tiles(tiles: Array, X: Array) -> None:
    n, d = X.shape
    for t in range(tiles.shape[0]):
        start = t * LANES
        rows = min(LANES, n - start)
        for strip in range(0, d, _STRIP):
            stop = min(d, strip + _STRIP)
            for i in range(rows):
                for j in range(strip, stop):
                    X[start + i, j] = tiles[t, j, i]


def count(n: int) -> int:
    """Return the number of tiles that n rows take."""
    return -(-n // LANES)


def to_tiles(X: Array, out: Array | None = None) -> Array:
    """Return the rows as tiles.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n, d)
        Any memory order; C-contiguous ones are not copied first.
    out : ndarray of the same dtype, shape (ceil(n / 64), d, 64), optional
        Where to write, e.g. a mapped file.

    Returns
    -------
    ndarray of the same dtype, shape (ceil(n / 64), d, 64)
        Zero where there are no rows.
    """
    n, d = X.shape
    tiles = np.empty((count(n), d, LANES), X.dtype) if out is None else out
    _to_tiles[X.dtype](np.ascontiguousarray(X), tiles)
    return tiles


def from_tiles(tiles: Array, n: int) -> Array:
    """Return the first n rows of tiles as a matrix.

    Parameters
    ----------
    tiles : ndarray of float32 or float64, shape (ceil(n / 64), d, 64)
    n : int
        Number of rows.

    Returns
    -------
    ndarray of the same dtype, shape (n, d)
    """
    X = np.empty((n, tiles.shape[1]), tiles.dtype)
    _from_tiles[tiles.dtype](tiles[: count(n)], X)
    return X
