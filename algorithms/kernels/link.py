r"""From margins to probabilities, and logarithms of them, with exp and log of our own.

.. math::
    \sigma(z) = \frac{1}{1 + e^{-z}}, \qquad
    p_{ik} = \frac{e^{z_{ik} - \max_l z_{il}}}{\sum_m e^{z_{im} - \max_l z_{il}}}

Losses are taken from margins, not from probabilities: these round to 0 and 1 far from the
boundary, where :math:`-\log p` has long lost its digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from mr.algorithms.kernels import elementary
from mr.algorithms.kernels.compile import kernel, readonly

Array = NDArray[Any]


def _elementwise(real: Any) -> Any:
    return types.void(readonly(real), real[::1])


@kernel(_elementwise, "float64")
def _sigmoid(z: Array, out: Array) -> None:
    for i in range(z.size):
        e = elementary.exp(-abs(z[i]))
        q = 1.0 / (1.0 + e)
        out[i] = e * q if z[i] < 0.0 else q


@kernel(_elementwise, "float64")
def _log(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = elementary.log(x[i])


@kernel(lambda real: types.void(readonly(real, 2), real[:, ::1]), "float64")
def _softmax(z: Array, out: Array) -> None:
    n, classes = z.shape
    for i in range(n):
        top = z[i, 0]
        for k in range(1, classes):
            top = max(top, z[i, k])
        total = 0.0
        for k in range(classes):
            out[i, k] = elementary.exp(z[i, k] - top)
            total += out[i, k]
        for k in range(classes):
            out[i, k] /= total


@kernel(lambda real: types.void(readonly(real), readonly(types.int32), real[::1]), "float64")
def _binary_losses(z: Array, codes: Array, out: Array) -> None:
    for i in range(z.size):
        margin = z[i] if codes[i] == 1 else -z[i]
        hinge = -margin if margin < 0.0 else 0.0
        out[i] = hinge + elementary.log1p(elementary.exp(-abs(margin)))


@kernel(lambda real: types.void(readonly(real, 2), readonly(types.int32), real[::1]), "float64")
def _multinomial_losses(z: Array, codes: Array, out: Array) -> None:
    n, classes = z.shape
    for i in range(n):
        top = z[i, 0]
        for k in range(1, classes):
            top = max(top, z[i, k])
        total = 0.0
        for k in range(classes):
            total += elementary.exp(z[i, k] - top)
        out[i] = elementary.log(total) + (top - z[i, codes[i]])


def sigmoid(z: Array) -> Array:
    """Return the probability of class 1.

    Parameters
    ----------
    z : ndarray of float64, shape (n,)
        Margins; they may be infinite.
    """
    z = np.ascontiguousarray(z, np.float64)
    out = np.empty_like(z)
    _sigmoid[np.float64](z, out)
    return out


def softmax(z: Array) -> Array:
    """Return the probabilities of K classes.

    Parameters
    ----------
    z : ndarray of float64, shape (n, K)
        Finite margins.
    """
    z = np.ascontiguousarray(z, np.float64)
    out = np.empty_like(z)
    _softmax[np.float64](z, out)
    return out


def log(x: Array) -> Array:
    """Return the natural logarithms of an array of float64, of any shape."""
    x = np.ascontiguousarray(x, np.float64)
    out = np.empty_like(x)
    _log[np.float64](x.ravel(), out.reshape(-1))
    return out


def losses(z: Array, codes: Array) -> Array:
    """Return minus the logarithm of the probability of each row's own class.

    Parameters
    ----------
    z : ndarray of float64, shape (n, 1) or (n, K)
        Finite margins; one column for two classes.
    codes : ndarray of int32, shape (n,)
        The row's class, below the number of classes: it is not checked.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    z, codes = np.ascontiguousarray(z, np.float64), np.ascontiguousarray(codes, np.int32)
    out = np.empty(len(z))
    if z.shape[1] == 1:
        _binary_losses[np.float64](z.ravel(), codes, out)
    else:
        _multinomial_losses[np.float64](z, codes, out)
    return out
