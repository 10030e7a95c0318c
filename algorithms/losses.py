r"""Reference formulas of the losses, in plain numpy: what the kernels are held against.

Binary, with codes y in {0, 1} and margins :math:`z_i = w \cdot x_i + b`:

.. math::
    L = \sum_i v_i \bigl(\log(1 + e^{z_i}) - y_i z_i\bigr), \qquad
    \frac{\partial L}{\partial z_i} = v_i \bigl(\sigma(z_i) - y_i\bigr)

Multinomial, with codes y in {0 ... K - 1} and margins :math:`z_{ik} = w_k \cdot x_i + b_k`:

.. math::
    L = \sum_i v_i \Bigl(\log \sum_k e^{z_{ik}} - z_{i y_i}\Bigr), \qquad
    \frac{\partial L}{\partial z_{ik}} = v_i \bigl(p_{ik} - [k = y_i]\bigr)

They are obvious and slow, use numpy's own exp and log, and so make no promise of equal bits:
for tests and for reading, not for training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def binary_logistic(X: Array, y: Array, v: Array, w: Array, b: float) -> tuple[float, Array, float]:
    """Return the sum of losses, and its gradient by w and by b.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray of 0 and 1, shape (n,)
    v : ndarray, shape (n,)
        Weights of the rows.
    w : ndarray, shape (d,)
    b : float
    """
    z = X @ w + b
    loss = np.logaddexp(0.0, z) - y * z
    residual = v * (_sigmoid(z) - y)
    return float(v @ loss), X.T @ residual, float(residual.sum())


def multinomial_logistic(
    X: Array, y: Array, v: Array, W: Array, b: Array
) -> tuple[float, Array, Array]:
    """Return the sum of losses, and its gradient by W and by b.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray of 0 to K - 1, shape (n,)
    v : ndarray, shape (n,)
        Weights of the rows.
    W : ndarray, shape (K, d)
    b : ndarray, shape (K,)
    """
    z = X @ W.T + b
    total = np.logaddexp.reduce(z, axis=1)
    own = np.eye(len(b))[y]
    residual = v[:, None] * (np.exp(z - total[:, None]) - own)
    loss = total - (own * z).sum(axis=1)
    return float(v @ loss), residual.T @ X, residual.sum(axis=0)


def binary_hessian(X: Array, v: Array, w: Array, b: float) -> Array:
    """Return the second derivatives, (d + 1, d + 1), the intercept last."""
    p = _sigmoid(X @ w + b)
    ones = np.column_stack([X, np.ones(len(X))])
    return np.asarray(ones.T @ (ones * (v * p * (1.0 - p))[:, None]))


def multinomial_hessian(X: Array, v: Array, W: Array, b: Array) -> Array:
    """Return the second derivatives, (K (d + 1), K (d + 1)), by class."""
    z = X @ W.T + b
    p = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
    ones = np.column_stack([X, np.ones(len(X))])
    curvature = np.einsum("ik,kl->ikl", p, np.eye(len(b))) - np.einsum("ik,il->ikl", p, p)
    blocks = np.einsum("i,ikl,ia,ib->kalb", v, curvature, ones, ones)
    size = len(b) * ones.shape[1]
    return np.asarray(blocks.reshape(size, size))


def _sigmoid(z: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))
