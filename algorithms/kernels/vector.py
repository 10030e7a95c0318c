r"""Inner products for solvers, with the same bits on any processor.

:math:`\langle a, b \rangle = \sum_j a_j b_j`. Lane ``l`` of 8 takes the coordinates
``l, l + 8, ...`` of a stretch of 4096, counted from the first, in order; then the stretches
in order; then the lanes as a balanced tree. BLAS takes an order that depends on the
processor. Elementwise numpy arithmetic (sums, products, quotients, square roots of arrays)
is correctly rounded everywhere, and is used as it is.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from mr.algorithms.kernels.compile import kernel, readonly
from mr.algorithms.kernels.lanes import FOLD, fold

Array = NDArray[Any]

_STRETCH: Final = 4096


@kernel(lambda real: types.float64(readonly(real), readonly(real)), "float64")
def _dot(a: Array, b: Array) -> float:
    total, part = np.zeros(FOLD), np.zeros(FOLD)
    size = a.size
    whole = size - size % FOLD
    for start in range(0, whole, _STRETCH):
        for j in range(start, min(whole, start + _STRETCH), FOLD):
            for i in range(FOLD):
                part[i] += a[j + i] * b[j + i]
        for i in range(FOLD):
            total[i] += part[i]
            part[i] = 0.0
    for i in range(size - whole):
        total[i] += a[whole + i] * b[whole + i]
    return fold(total)


def dot(a: Array, b: Array) -> float:
    """Return the inner product of two vectors.

    Parameters
    ----------
    a, b : ndarray of float64, shape (d,)
        Made contiguous where they are not.

    Raises
    ------
    ValueError
        If the shapes differ: the kernel would read beyond the shorter one.
    """
    if a.shape != b.shape:
        raise ValueError(f"vectors of shapes {a.shape} and {b.shape} have no inner product")
    contiguous = np.ascontiguousarray
    return float(_dot[np.float64](contiguous(a, np.float64), contiguous(b, np.float64)))


def norm(a: Array, metric: Array | None = None) -> float:
    r"""Return :math:`\sqrt{\sum_j a_j^2 / D_j}`, the length of a gradient in a metric.

    Parameters
    ----------
    a : ndarray of float64, shape (d,)
    metric : ndarray of float64, shape (d,), optional
        The positive diagonal D; None stands for ones.
    """
    return sqrt(dot(a, a if metric is None else a / metric))
