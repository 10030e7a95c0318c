r"""Logistic losses and gradients of dense rows, one pass over tiles.

With margins :math:`z_i = w \cdot x_i + b`, weights :math:`v_i` and codes :math:`y_i`,

.. math::
    L = \sum_i v_i \log(1 + e^{-s_i z_i}), \quad s_i = 2 y_i - 1, \quad
    \partial L / \partial z_i = r_i = -v_i s_i \, \sigma(-s_i z_i), \quad
    \nabla L = \sum_i r_i x_i

and for classes :math:`k = 1 \dots K`, with :math:`z_{ik} = w_k \cdot x_i + b_k`,

.. math::
    L = \sum_i v_i \Bigl(\log \sum_k e^{z_{ik}} - z_{i y_i}\Bigr), \quad
    r_{ik} = v_i \bigl(p_{ik} - [k = y_i]\bigr), \quad \nabla_k L = \sum_i r_{ik} x_i .

The order of summation, which fixes the bits, is:

* a margin starts at b and takes the features in groups of four, ``(a + b) + (c + d)``, and
  then the up to three left over one by one;
* lane ``l`` of 8 takes rows ``l, l + 8, ..., l + 56`` of a tile as a balanced tree, and the
  tiles of a chunk of 4096 rows, counted from the block's first row, in order; then the
  chunks in order: short sums, so rounding errors stay small;
* last, the 8 lanes are added up as a balanced tree.

Arithmetic is float64; float32 data is widened in the lanes. Rows of weight zero and the
lanes behind the last row contribute nothing.
"""

# A kernel's arguments are arrays, by position.
# ruff: noqa: PLR0917

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from mr.algorithms.kernels import hessian
from mr.algorithms.kernels.arguments import BinarySums, MultinomialSums, codes, floats, weights
from mr.algorithms.kernels.compile import kernel, readonly
from mr.algorithms.kernels.lanes import (
    CHUNK,
    FOLD,
    add_gradient,
    add_lanes,
    binary_residuals,
    fill_margins,
    flush,
    fold,
    load_labels,
    load_signs,
    load_weights,
    multinomial_residuals,
)
from mr.algorithms.kernels.tiles import LANES, count, from_tiles

Array = NDArray[Any]


def _binary_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(
        readonly(real, 3), types.int64, readonly(types.int8), readonly(f64), readonly(f64), f64,
        f64[::1],
    )  # fmt: skip


@kernel(_binary_signature)
def _binary(tiles: Array, n: int, y: Array, weight: Array, w: Array, b: float, out: Array) -> None:
    """Fill out with the gradient (d), its intercept, the loss and the sum of weights."""
    d = tiles.shape[1]
    part, sums = np.zeros((d + 3, FOLD)), np.zeros((d + 3, FOLD))
    # Views are made once: each costs as much as some rows.
    gradient, intercept, losses, weight_sum = part[:d], part[d], part[d + 1], part[d + 2]
    z, s, v = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    r, loss = np.empty(LANES), np.empty(LANES)
    for t in range(tiles.shape[0]):
        tile = tiles[t]
        start = t * LANES
        rows = min(LANES, n - start)
        load_signs(y, start, rows, s)
        load_weights(weight, start, rows, v)
        fill_margins(tile, w, b, z)
        binary_residuals(z, s, v, r, loss)
        add_gradient(tile, r, gradient)
        add_lanes(r, intercept)
        add_lanes(loss, losses)
        add_lanes(v, weight_sum)
        if (t + 1) % CHUNK == 0:
            flush(part, sums)
    flush(part, sums)
    for j in range(d + 3):
        out[j] = fold(sums[j])


def _multinomial_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(
        readonly(real, 3), types.int64, readonly(types.int32), readonly(f64), readonly(f64, 2),
        readonly(f64), f64[::1],
    )  # fmt: skip


@kernel(_multinomial_signature)
def _multinomial(
    tiles: Array, n: int, y: Array, weight: Array, W: Array, b: Array, out: Array
) -> None:
    """Fill out with K gradients (d) and their intercept, then the loss and the weights."""
    d, classes = tiles.shape[1], W.shape[0]
    last = classes * (d + 1)
    part, sums = np.zeros((last + 2, FOLD)), np.zeros((last + 2, FOLD))
    z, v, loss = np.empty((classes, LANES)), np.empty(LANES), np.empty(LANES)
    label = np.zeros(LANES, np.int32)
    for t in range(tiles.shape[0]):
        start = t * LANES
        rows = min(LANES, n - start)
        load_labels(y, start, rows, label)
        load_weights(weight, start, rows, v)
        for k in range(classes):
            fill_margins(tiles[t], W[k], b[k], z[k])
        multinomial_residuals(z, label, v, loss)
        for k in range(classes):
            first = k * (d + 1)
            add_gradient(tiles[t], z[k], part[first : first + d])
            add_lanes(z[k], part[first + d])
        add_lanes(loss, part[last])
        add_lanes(v, part[last + 1])
        if (t + 1) % CHUNK == 0:
            flush(part, sums)
    flush(part, sums)
    for j in range(last + 2):
        out[j] = fold(sums[j])


def _margins_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(readonly(real, 3), readonly(f64, 2), readonly(f64), f64[:, ::1])


@kernel(_margins_signature)
def _margins(tiles: Array, W: Array, b: Array, out: Array) -> None:
    n, classes = out.shape
    z = np.empty(LANES)
    for t in range(tiles.shape[0]):
        start = t * LANES
        for k in range(classes):
            fill_margins(tiles[t], W[k], b[k], z)
            for i in range(min(LANES, n - start)):
                out[start + i, k] = z[i]


def binary_logistic(
    tiles: Array, n: int, y: Array, weight: Array | None, w: Array, b: float
) -> BinarySums:
    """Return the sums of the binary logistic loss and its gradient over n rows.

    Parameters
    ----------
    tiles : ndarray of float32 or float64, shape (ceil(n / 64), d, 64)
        See `mr.algorithms.kernels.tiles`.
    n : int
        Number of rows.
    y : ndarray, shape (n,)
        Codes 0 and 1; int8 is not copied.
    weight : ndarray of float64, shape (n,), or None
        None means that every row weighs 1.
    w : ndarray of float64, shape (d,)
    b : float
        Intercept.

    Returns
    -------
    BinarySums
        Loss, gradient of shape (d,), its intercept, and the sum of weights.
    """
    d = tiles.shape[1]
    out = np.empty(d + 3)
    run = _binary[tiles.dtype]
    run(tiles, n, codes(y, np.int8), weights(weight), floats(w), float(b), out)
    return BinarySums(float(out[d + 1]), out[:d], float(out[d]), float(out[d + 2]))


def multinomial_logistic(
    tiles: Array, n: int, y: Array, weight: Array | None, W: Array, b: Array
) -> MultinomialSums:
    """Return the sums of the multinomial logistic loss and its gradient over n rows.

    Parameters
    ----------
    tiles, n, weight
        As for `binary_logistic`.
    y : ndarray, shape (n,)
        Codes 0 to K - 1; int32 is not copied.
    W : ndarray of float64, shape (K, d)
    b : ndarray of float64, shape (K,)
        Intercepts.

    Returns
    -------
    MultinomialSums
        Loss, gradient of shape (K, d), its intercepts of shape (K,), and the sum of weights.
    """
    classes, d = W.shape
    out = np.empty(classes * (d + 1) + 2)
    run = _multinomial[tiles.dtype]
    run(tiles, n, codes(y, np.int32), weights(weight), floats(W), floats(b), out)
    gradient = out[:-2].reshape(classes, d + 1)
    return MultinomialSums(float(out[-2]), gradient[:, :d], gradient[:, d], float(out[-1]))


def margins(tiles: Array, n: int, W: Array, b: Array) -> Array:
    """Return the margins of n rows.

    Parameters
    ----------
    tiles, n
        As for `binary_logistic`.
    W : ndarray of float64, shape (K, d)
    b : ndarray of float64, shape (K,)

    Returns
    -------
    ndarray of float64, shape (n, K)
    """
    out = np.empty((n, W.shape[0]))
    _margins[tiles.dtype](tiles, floats(W), floats(b), out)
    return out


def binary_hessian(tiles: Array, n: int, weight: Array | None, w: Array, b: float) -> Array:
    """Return the sum of second derivatives, (d + 1, d + 1), the intercept last.

    Parameters
    ----------
    tiles, n, weight, w, b
        As for `binary_logistic`. Equal bits per class of processor only.
    """
    chunks = _chunks(tiles, n, w[None, :], np.array([b]))
    return hessian.binary(chunks, weight, tiles.shape[1])


def multinomial_hessian(tiles: Array, n: int, weight: Array | None, W: Array, b: Array) -> Array:
    """Return the sum of second derivatives, (K (d + 1), K (d + 1)), by class.

    Parameters
    ----------
    tiles, n, weight, W, b
        As for `multinomial_logistic`. Equal bits per class of processor only.
    """
    return hessian.multinomial(_chunks(tiles, n, W, b), weight, tiles.shape[1], len(W))


def _chunks(tiles: Array, n: int, W: Array, b: Array) -> Iterator[hessian.Chunk]:
    step = hessian.chunk_rows(tiles.shape[1])
    for start in range(0, n, step):
        rows = min(step, n - start)
        part = tiles[start // LANES : count(start + rows)]
        X = hessian.with_ones(from_tiles(part, rows))
        yield hessian.Chunk(start, X, margins(part, rows, W, b))
