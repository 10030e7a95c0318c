"""Helpers that kernels inline: what is done to the 64 rows of a tile, lane by lane."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.compile import inline
from mr.algorithms.kernels.elementary import exp, log, log1p
from mr.algorithms.kernels.tiles import LANES

Array = NDArray[Any]

FOLD: Final = 8
"""Lanes kept apart until the end."""

CHUNK: Final = 64
"""Tiles summed before a sum is flushed: 4096 rows."""


@inline
def fill_margins(tile: Array, w: Array, b: float, z: Array) -> None:
    """Set z to the margins of a tile's 64 rows."""
    d = tile.shape[0]
    whole = d - d % 4
    for i in range(LANES):
        z[i] = b
    for j in range(0, whole, 4):
        w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
        for i in range(LANES):
            z[i] += (w0 * tile[j, i] + w1 * tile[j + 1, i]) + (
                w2 * tile[j + 2, i] + w3 * tile[j + 3, i]
            )
    for j in range(whole, d):
        for i in range(LANES):
            z[i] += w[j] * tile[j, i]


@inline
def add_gradient(tile: Array, r: Array, total: Array) -> None:
    """Add r times each feature, folded to 8 lanes, to total of shape (d, 8)."""
    # A length that the compiler does not know: it would unroll a loop of 8, and then not
    # vectorise it, at a third of the speed.
    lanes = total.shape[1]
    for j in range(tile.shape[0]):
        for i in range(lanes):
            total[j, i] += (
                (r[i] * tile[j, i] + r[i + 8] * tile[j, i + 8])
                + (r[i + 16] * tile[j, i + 16] + r[i + 24] * tile[j, i + 24])
            ) + (
                (r[i + 32] * tile[j, i + 32] + r[i + 40] * tile[j, i + 40])
                + (r[i + 48] * tile[j, i + 48] + r[i + 56] * tile[j, i + 56])
            )


@inline
def add_lanes(values: Array, total: Array) -> None:
    """Add 64 values, folded to 8 lanes, to total of shape (8,)."""
    for i in range(total.shape[0]):
        total[i] += ((values[i] + values[i + 8]) + (values[i + 16] + values[i + 24])) + (
            (values[i + 32] + values[i + 40]) + (values[i + 48] + values[i + 56])
        )


@inline
def flush(part: Array, total: Array) -> None:
    """Add a chunk's sums to the total, and clear them. Both have shape (m, 8)."""
    for j in range(part.shape[0]):
        for i in range(FOLD):
            total[j, i] += part[j, i]
            part[j, i] = 0.0


@inline
def fold(lanes: Array) -> float:
    """Return the sum of 8 lanes."""
    total: float = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + (
        (lanes[1] + lanes[5]) + (lanes[3] + lanes[7])
    )
    return total


@inline
def load_weights(weight: Array, start: int, rows: int, v: Array) -> None:
    """Set v to the weights of a tile's rows: 1 without weights, 0 behind the last row."""
    for i in range(LANES):
        v[i] = 0.0
    if weight.size > 0:
        for i in range(rows):
            v[i] = weight[start + i]
    else:
        for i in range(rows):
            v[i] = 1.0


@inline
def load_signs(y: Array, start: int, rows: int, s: Array) -> None:
    """Set s to +1 for code 1 and -1 for code 0; what it is behind the last row is no matter."""
    for i in range(rows):
        s[i] = 2.0 * y[start + i] - 1.0
    for i in range(rows, LANES):
        s[i] = 1.0


@inline
def load_labels(y: Array, start: int, rows: int, label: Array) -> None:
    """Set label to the codes of a tile's rows."""
    for i in range(rows):
        label[i] = y[start + i]


@inline
def binary_residuals(z: Array, s: Array, v: Array, r: Array, loss: Array) -> None:
    """Set r and loss of 64 rows from margins z, signs s and weights v."""
    for i in range(LANES):
        margin = s[i] * z[i]
        e = exp(-abs(margin))
        q = 1.0 / (1.0 + e)
        wrong = q if margin < 0.0 else e * q
        hinge = -margin if margin < 0.0 else 0.0
        # Not a product with v: an infinite margin times weight zero is nothing, not NaN.
        r[i] = -s[i] * wrong * v[i] if v[i] != 0.0 else 0.0
        loss[i] = (hinge + log1p(e)) * v[i] if v[i] != 0.0 else 0.0


@inline
def softmax_lanes(z: Array, top: Array, total: Array) -> None:
    """Turn margins z (K, 64) into exponentials of z - top, with their maxima and sums."""
    classes = z.shape[0]
    for i in range(LANES):
        top[i] = z[0, i]
        total[i] = 0.0
    for k in range(1, classes):
        for i in range(LANES):
            top[i] = z[k, i] if z[k, i] > top[i] else top[i]  # noqa: FURB136 - vectorised
    for k in range(classes):
        for i in range(LANES):
            z[k, i] = exp(z[k, i] - top[i])
            total[i] += z[k, i]


@inline
def pick(z: Array, label: Array, own: Array) -> None:
    """Set own to the margin of each row's own class."""
    for i in range(LANES):
        own[i] = z[0, i]
    for k in range(1, z.shape[0]):
        for i in range(LANES):
            own[i] = z[k, i] if label[i] == k else own[i]


@inline
def multinomial_residuals(z: Array, label: Array, v: Array, loss: Array) -> None:
    """Turn margins z of shape (K, 64) into residuals, and set the loss of 64 rows."""
    top, own, total = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    pick(z, label, own)
    softmax_lanes(z, top, total)
    for i in range(LANES):
        loss[i] = (log(total[i]) + (top[i] - own[i])) * v[i] if v[i] != 0.0 else 0.0
    for k in range(z.shape[0]):
        for i in range(LANES):
            hit = 1.0 if label[i] == k else 0.0
            z[k, i] = (z[k, i] / total[i] - hit) * v[i] if v[i] != 0.0 else 0.0
