"""What kernels take and give: arrays of exact types, and named sums."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class BinarySums(NamedTuple):
    """Running sums of a binary logistic loss."""

    loss: float
    gradient: Array
    gradient_intercept: float
    weight: float


class MultinomialSums(NamedTuple):
    """Running sums of a multinomial logistic loss; gradients by class."""

    loss: float
    gradient: Array
    gradient_intercept: Array
    weight: float


def codes(y: Array, dtype: type[np.signedinteger[Any]]) -> Array:
    """Return class codes as kernels take them."""
    return np.ascontiguousarray(y, dtype)


def weights(weight: Array | None) -> Array:
    """Return weights as kernels take them: an empty array for None."""
    return np.empty(0) if weight is None else floats(weight)


def floats(values: Array) -> Array:
    """Return values as kernels take them: contiguous float64."""
    return np.ascontiguousarray(values, np.float64)
