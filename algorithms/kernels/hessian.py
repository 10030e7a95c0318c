r"""Second derivatives of the logistic losses, from chunks of dense rows.

With :math:`\tilde x = (x, 1)`, weights v and probabilities p,

.. math::
    H = \sum_i v_i \, p_i (1 - p_i) \, \tilde x_i \tilde x_i^T, \qquad
    H_{kl} = \sum_i v_i \, p_{ik} ([k = l] - p_{il}) \, \tilde x_i \tilde x_i^T .

The products are BLAS's, in chunks whose bounds depend on the width alone. BLAS chooses its
kernel by the processor, so the promise of equal bits holds here per class of processor, with
one BLAS thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.link import sigmoid, softmax
from mr.algorithms.kernels.tiles import LANES

Array = NDArray[Any]

# Numbers in a chunk of few columns: 512 KB, so that it stays in the second-level cache.
_CHUNK_SIZE: Final = 2**16


class Chunk(NamedTuple):
    """Some rows: ``X`` is (m, d + 1) float64 with ones last, ``margins`` (m, K)."""

    start: int
    X: Array
    margins: Array


def chunk_rows(width: int) -> int:
    """Return the rows of a chunk, a multiple of 64, for d features.

    With many columns as many rows as columns, so that a chunk is no larger than the Hessian
    and adding to that is not what takes the time.
    """
    rows = max(_CHUNK_SIZE // (width + 1), width + 1)
    return -(-rows // LANES) * LANES


def with_ones(X: Array) -> Array:
    """Return rows (m, d) as float64 with a last column of ones."""
    out = np.ones((X.shape[0], X.shape[1] + 1))
    out[:, :-1] = X
    return out


def binary(chunks: Iterable[Chunk], weight: Array | None, width: int) -> Array:
    """Return H of shape (d + 1, d + 1), the intercept last.

    Parameters
    ----------
    chunks : iterable of Chunk
        All rows, in order, with one margin each.
    weight : ndarray of float64, shape (n,), or None
    width : int
        d.
    """
    total = np.zeros((width + 1, width + 1))
    for chunk in chunks:
        # p (1 - p), without a difference that loses digits.
        curvature = sigmoid(chunk.margins[:, 0]) * sigmoid(-chunk.margins[:, 0])
        scaled = chunk.X * np.sqrt(_weighted(curvature, weight, chunk.start))[:, None]
        total += scaled.T @ scaled
    return total


def multinomial(chunks: Iterable[Chunk], weight: Array | None, width: int, classes: int) -> Array:
    """Return H of shape (K (d + 1), K (d + 1)): by class, the intercept last in each.

    Parameters
    ----------
    chunks : iterable of Chunk
        All rows, in order, with K margins each.
    weight : ndarray of float64, shape (n,), or None
    width, classes : int
        d and K.
    """
    block = width + 1
    total = np.zeros((classes, block, classes, block))
    for chunk in chunks:
        p = softmax(chunk.margins)
        for k in range(classes):
            for other in range(k, classes):
                curvature = p[:, k] * ((1.0 if k == other else 0.0) - p[:, other])
                weighted = _weighted(curvature, weight, chunk.start)
                total[k, :, other, :] += (chunk.X * weighted[:, None]).T @ chunk.X
    square = np.triu(total.reshape(classes * block, classes * block))
    return np.asarray(square + np.triu(square, 1).T)


def _weighted(curvature: Array, weight: Array | None, start: int) -> Array:
    if weight is None:
        return curvature
    return np.asarray(curvature * weight[start : start + len(curvature)])
