r"""Linear models: the layout of coefficients, the penalty, and the objective from its sums.

The objective that solvers minimise, for weights :math:`v_i` of the rows:

.. math::
    f(W, b) = \frac{\sum_i v_i \, loss_i}{\sum_i v_i} + \frac{\lambda}{2} \|W\|^2 .

Intercepts are not penalised. In terms of scikit-learn's C with unit weights, λ = 1 / (n C).

With three classes or more every class has its own coefficients, so that adding one vector
to all of them changes no probability. With λ > 0 the weights are unique all the same (they
sum to zero over the classes) and the intercepts are unique up to a common constant; with
λ = 0 neither is. `Layout.centre` picks the solution that sums to zero over the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.vector import dot
from mr.solver import Evaluation
from mr.storage.errors import InvalidWeight

Array = NDArray[Any]

# Second moments below this are those of a column of zeros: its coefficient never moves.
_NO_MOMENT: Final = 1e-200


@dataclass(frozen=True, slots=True)
class Layout:
    """How the coefficients of a linear classifier lie in one flat vector.

    The vector is the matrix ``[W | b]`` of shape (K, d + 1) by rows: the weights of a class,
    then its intercept. Without intercept the last column is absent.

    Parameters
    ----------
    width : int
        Number of features, d.
    classes : int
        Number of classes. Two classes have one set of coefficients (K = 1), that of the
        class with code 1.
    intercept : bool
        Whether there are intercepts.

    Examples
    --------
    >>> layout = Layout(width=2, classes=2, intercept=True)
    >>> W, b = layout.split(np.array([1.0, 2.0, 3.0]))
    >>> W.tolist(), b.tolist()
    ([[1.0, 2.0]], [3.0])
    """

    width: int
    classes: int
    intercept: bool = True

    @property
    def outputs(self) -> int:
        """Number of sets of coefficients, K."""
        return 1 if self.classes == 2 else self.classes

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return self.outputs * (self.width + self.intercept)

    def zeros(self) -> Array:
        """Return the vector of a model that knows nothing: the usual start."""
        return np.zeros(self.size)

    def split(self, x: Array) -> tuple[Array, Array]:
        """Return weights (K, d) and intercepts (K,), zeros if there are none."""
        table = x.reshape(self.outputs, self.width + self.intercept)
        b = table[:, self.width].copy() if self.intercept else np.zeros(self.outputs)
        return np.ascontiguousarray(table[:, : self.width]), b

    def join(self, W: Array, b: Array | float) -> Array:
        """Return the vector of weights (K, d) or (d,) and intercepts (K,) or a number."""
        W = np.reshape(W, (self.outputs, self.width))
        if not self.intercept:
            return W.ravel()
        return np.hstack([W, np.reshape(b, (self.outputs, 1))]).ravel()

    def penalty(self, x: Array, l2: float) -> tuple[float, Array]:
        """Return l2/2 ‖W‖² and its gradient, which is zero at the intercepts."""
        weights = self._weights(x)
        return 0.5 * l2 * dot(weights, weights), l2 * weights

    def finish(  # noqa: PLR0917 - the sums in the order in which kernels give them
        self,
        loss: float,
        gradient: tuple[Array, Array | float],
        weight: float,
        x: Array,
        l2: float,
        hessian: Array | None = None,
    ) -> Evaluation:
        """Return the objective at x from sums over all rows: divide once, penalise once.

        Parameters
        ----------
        loss : float
            Sum of weighted losses.
        gradient : pair of ndarrays
            Sums of the gradient by the weights, (K, d) or (d,), and by the intercepts.
        weight : float
            Sum of weights.
        x : ndarray of float64, shape (size,)
            Where the sums were taken.
        l2 : float
            The penalty's λ ≥ 0.
        hessian : ndarray of float64, shape (K (d + 1), K (d + 1)), optional
            Sum of second derivatives, always with rows and columns of the intercepts.

        Raises
        ------
        InvalidWeight
            If the weights sum to zero.
        """
        if not weight > 0:
            raise InvalidWeight(
                f"the weights of all rows sum to {weight}",
                remedy="give at least one row a positive weight",
            )
        penalty, slope = self.penalty(x, l2)
        mean_gradient = self.join(*gradient) / weight + slope
        return Evaluation(
            loss / weight + penalty, mean_gradient, self._hessian(hessian, weight, l2)
        )

    def metric(self, mean_square: Array, l2: float) -> Array:
        r"""Return the diagonal D that scales the coordinates before solving.

        :math:`D_j = \tfrac14 \overline{x_j^2} + \lambda` for weights and 1/4 for intercepts:
        the largest that the diagonal of the logistic Hessian can be, since p (1 - p) ≤ 1/4.

        Parameters
        ----------
        mean_square : ndarray of float64, shape (d,)
            Weighted mean of the squares of each column.
        l2 : float
            The penalty's λ ≥ 0.

        Returns
        -------
        ndarray of float64, shape (size,)
            Positive: 1 for a column of zeros without penalty.
        """
        scale = 0.25 * mean_square + l2
        scale = np.where((scale > _NO_MOMENT) & np.isfinite(scale), scale, 1.0)
        row = np.append(scale, 0.25) if self.intercept else scale
        return np.tile(row, self.outputs)

    def centre(self, x: Array, l2: float) -> Array:
        """Return the solution whose free constants sum to zero over the classes.

        These are the intercepts of three classes or more and, without penalty, the weights.
        """
        if self.outputs == 1:
            return x
        W, b = self.split(x)
        free = W - _class_mean(W) if l2 == 0 else W
        return self.join(free, b - _class_mean(b))

    def _weights(self, x: Array) -> Array:
        """Return a copy of x with zeros in the place of intercepts."""
        weights = x.reshape(self.outputs, self.width + self.intercept).copy()
        if self.intercept:
            weights[:, self.width] = 0.0
        return weights.ravel()

    def _hessian(self, total: Array | None, weight: float, l2: float) -> Array | None:
        if total is None:
            return None
        if not self.intercept:
            kept = np.arange(self.outputs * (self.width + 1)) % (self.width + 1) < self.width
            total = total[np.ix_(kept, kept)]
        return total / weight + np.diag(l2 * self._weights(np.ones(self.size)))


def _class_mean(values: Array) -> Array:
    """Return the mean over the first axis, added up in order."""
    total = np.zeros_like(values[0])
    for row in values:
        total = total + row
    return np.asarray(total / len(values))
