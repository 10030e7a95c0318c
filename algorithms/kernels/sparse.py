r"""Logistic losses and gradients of sparse rows (CSR), one pass.

The formulas are those of `mr.algorithms.kernels.dense`. Rows are taken 64 at a time: their
margins, then residuals and losses across lanes, then the gradient while the rows are still
in the cache. The order of summation, which fixes the bits, is:

* a margin starts at b and takes the stored values of its row in order;
* a coordinate of the gradient takes the rows of the block in order;
* losses, weights and the intercept's gradient are summed as for dense rows.

With several classes, the coefficients of a column lie side by side: most of the time goes
into fetching them, and so each fetch serves all classes.

Against two passes of scipy (``X @ w``, ``X.T @ r``) this reads the rows once, and float32
values need no widened copy.
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
from mr.algorithms.kernels.compile import inline, kernel, readonly
from mr.algorithms.kernels.lanes import (
    CHUNK,
    FOLD,
    add_lanes,
    binary_residuals,
    flush,
    fold,
    load_labels,
    load_signs,
    load_weights,
    multinomial_residuals,
)
from mr.algorithms.kernels.tiles import LANES
from mr.storage.columns import Sparse

Array = NDArray[Any]


def _rows(real: Any) -> tuple[Any, Any, Any]:
    """Return the types of data, indices and indptr."""
    # Unsigned indices need no test for negative ones.
    return readonly(real), readonly(types.uint32), readonly(types.uint64)


@inline
def _fill_margins(
    data: Array, indices: Array, indptr: Array, start: int, rows: int, w: Array, b: float, z: Array
) -> None:
    """Set z to the margins of up to 64 rows."""
    for i in range(rows):
        total = b
        for q in range(indptr[start + i], indptr[start + i + 1]):
            total += data[q] * w[indices[q]]
        z[i] = total


@inline
def _add_gradient(
    data: Array, indices: Array, indptr: Array, start: int, rows: int, r: Array, gradient: Array
) -> None:
    """Add r times each of up to 64 rows to the gradient."""
    for i in range(rows):
        residual = r[i]
        if residual != 0.0:
            for q in range(indptr[start + i], indptr[start + i + 1]):
                gradient[indices[q]] += residual * data[q]


@inline
def _fill_class_margins(
    data: Array, indices: Array, indptr: Array, start: int, rows: int, W: Array, b: Array, z: Array
) -> None:
    """Set z (64, K) to the margins of up to 64 rows, with W of shape (d, K)."""
    for i in range(rows):
        margin = z[i]
        margin[:] = b
        for q in range(indptr[start + i], indptr[start + i + 1]):
            j, value = indices[q], data[q]
            for k in range(b.size):
                margin[k] += value * W[j, k]


@inline
def _add_class_gradients(
    data: Array, indices: Array, indptr: Array, start: int, rows: int, r: Array, gradient: Array
) -> None:
    """Add r (64, K) times each of up to 64 rows to the gradient (d, K)."""
    for i in range(rows):
        residual = r[i]
        for q in range(indptr[start + i], indptr[start + i + 1]):
            j, value = indices[q], data[q]
            for k in range(residual.size):
                gradient[j, k] += value * residual[k]


def _binary_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(
        *_rows(real), readonly(types.int8), readonly(f64), readonly(f64), f64, f64[::1], f64[::1]
    )


@kernel(_binary_signature)
def _binary(
    data: Array, indices: Array, indptr: Array, y: Array, weight: Array, w: Array, b: float,
    gradient: Array, out: Array,
) -> None:  # fmt: skip
    """Add to the gradient, and fill out with the intercept's, the loss and the weights."""
    n = indptr.size - 1
    part, sums = np.zeros((3, FOLD)), np.zeros((3, FOLD))
    z, s, v = np.zeros(LANES), np.empty(LANES), np.empty(LANES)
    r, loss = np.empty(LANES), np.empty(LANES)
    for start in range(0, n, LANES):
        rows = min(LANES, n - start)
        load_signs(y, start, rows, s)
        load_weights(weight, start, rows, v)
        _fill_margins(data, indices, indptr, start, rows, w, b, z)
        binary_residuals(z, s, v, r, loss)
        _add_gradient(data, indices, indptr, start, rows, r, gradient)
        add_lanes(r, part[0])
        add_lanes(loss, part[1])
        add_lanes(v, part[2])
        if (start // LANES + 1) % CHUNK == 0:
            flush(part, sums)
    flush(part, sums)
    for j in range(3):
        out[j] = fold(sums[j])


def _multinomial_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(
        *_rows(real), readonly(types.int32), readonly(f64), readonly(f64, 2), readonly(f64),
        f64[:, ::1], f64[::1],
    )  # fmt: skip


@kernel(_multinomial_signature)
def _multinomial(
    data: Array, indices: Array, indptr: Array, y: Array, weight: Array, W: Array, b: Array,
    gradient: Array, out: Array,
) -> None:  # fmt: skip
    """Add to the gradient (d, K), and fill out with intercepts' (K), loss and weights."""
    n, classes = indptr.size - 1, b.size
    part, sums = np.zeros((classes + 2, FOLD)), np.zeros((classes + 2, FOLD))
    z, v, loss = np.zeros((classes, LANES)), np.empty(LANES), np.empty(LANES)
    label, by_row = np.zeros(LANES, np.int32), np.zeros((LANES, classes))
    for start in range(0, n, LANES):
        rows = min(LANES, n - start)
        load_labels(y, start, rows, label)
        load_weights(weight, start, rows, v)
        _fill_class_margins(data, indices, indptr, start, rows, W, b, by_row)
        z[:] = by_row.T
        multinomial_residuals(z, label, v, loss)
        by_row[:] = z.T
        _add_class_gradients(data, indices, indptr, start, rows, by_row, gradient)
        for k in range(classes):
            add_lanes(z[k], part[k])
        add_lanes(loss, part[classes])
        add_lanes(v, part[classes + 1])
        if (start // LANES + 1) % CHUNK == 0:
            flush(part, sums)
    flush(part, sums)
    for j in range(classes + 2):
        out[j] = fold(sums[j])


def _margins_signature(real: Any) -> Any:
    f64 = types.float64
    return types.void(*_rows(real), readonly(f64, 2), readonly(f64), f64[:, ::1])


@kernel(_margins_signature)
def _margins(data: Array, indices: Array, indptr: Array, W: Array, b: Array, out: Array) -> None:
    _fill_class_margins(data, indices, indptr, 0, out.shape[0], W, b, out)


def binary_logistic(
    data: Array, indices: Array, indptr: Array, y: Array, weight: Array | None, w: Array, b: float
) -> BinarySums:
    """Return the sums of the binary logistic loss and its gradient over all rows.

    Parameters
    ----------
    data : ndarray of float32 or float64, shape (nnz,)
    indices : ndarray of int32, shape (nnz,)
        Columns, below the length of w: they are not checked.
    indptr : ndarray of int64, shape (n + 1,)
        Row ``i`` is ``data[indptr[i]:indptr[i + 1]]``.
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
    gradient, out = np.zeros(len(w)), np.empty(3)
    csr = _csr(data, indices, indptr)
    run = _binary[data.dtype]
    run(*csr, codes(y, np.int8), weights(weight), floats(w), float(b), gradient, out)
    return BinarySums(float(out[1]), gradient, float(out[0]), float(out[2]))


def multinomial_logistic(
    data: Array, indices: Array, indptr: Array, y: Array, weight: Array | None, W: Array, b: Array
) -> MultinomialSums:
    """Return the sums of the multinomial logistic loss and its gradient over all rows.

    Parameters
    ----------
    data, indices, indptr, weight
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
    gradient, out = np.zeros((d, classes)), np.empty(classes + 2)
    csr = _csr(data, indices, indptr)
    run = _multinomial[data.dtype]
    run(*csr, codes(y, np.int32), weights(weight), floats(W.T), floats(b), gradient, out)
    by_class = np.ascontiguousarray(gradient.T)
    return MultinomialSums(float(out[-2]), by_class, out[:-2], float(out[-1]))


def margins(data: Array, indices: Array, indptr: Array, W: Array, b: Array) -> Array:
    """Return the margins of all rows, (n, K), for W (K, d) and b (K,)."""
    out = np.empty((len(indptr) - 1, len(W)))
    _margins[data.dtype](*_csr(data, indices, indptr), floats(W.T), floats(b), out)
    return out


def binary_hessian(
    data: Array, indices: Array, indptr: Array, weight: Array | None, w: Array, b: float
) -> Array:
    """Return the sum of second derivatives, (d + 1, d + 1), for small widths d."""
    chunks = _chunks(Sparse(data, indices, indptr, len(w)), w[None, :], np.array([b]))
    return hessian.binary(chunks, weight, len(w))


def multinomial_hessian(
    data: Array, indices: Array, indptr: Array, weight: Array | None, W: Array, b: Array
) -> Array:
    """Return the sum of second derivatives, (K (d + 1), K (d + 1)), for small widths d."""
    classes, d = W.shape
    return hessian.multinomial(_chunks(Sparse(data, indices, indptr, d), W, b), weight, d, classes)


def _chunks(x: Sparse, W: Array, b: Array) -> Iterator[hessian.Chunk]:
    step = hessian.chunk_rows(x.width)
    for start in range(0, x.rows, step):
        part = x.slice(start, min(start + step, x.rows))
        z = margins(part.data, part.indices, part.indptr, W, b)
        yield hessian.Chunk(start, hessian.with_ones(part.dense(x.width)), z)


def _csr(data: Array, indices: Array, indptr: Array) -> tuple[Array, Array, Array]:
    """Return the arrays as the kernels take them, by views."""
    contiguous = np.ascontiguousarray
    columns = contiguous(indices, np.int32).view(np.uint32)
    return contiguous(data), columns, contiguous(indptr, np.int64).view(np.uint64)
