r"""Newton's method with step halving, the trial step being a part of the state.

The direction solves :math:`(H + \tau \, diag(H)) d = -g` by Cholesky factors. τ is 0 where H is
safely positive definite: where it is not (a multinomial model's intercepts, columns that
repeat each other), τ is the first of 1e-10, 1e-8, ..., 1 that makes it so. That leaves the
optimum where it is and costs few steps or none (Nocedal and Wright, *Numerical
Optimization*, 2nd ed. 2006, section 3.4).

It has converged when :math:`\|g\|_D \le tol \cdot \|g(x_0)\|_D`, as for L-BFGS. LAPACK chooses its
kernels by the processor: equal bits hold per class of processor, with one BLAS thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.solvers.descent import Descent, WatchedState, halved, watched
from mr.algorithms.solvers.search import Line, Trial, decreases
from mr.solver import Evaluation, Point, Status

Array = NDArray[Any]

MAX_TRIALS: Final = 40
"""Halvings of one step before it is given up."""

MAX_FLAT: Final = 5
"""Steps in a row that lower neither objective nor gradient before the solver has stalled."""

_RIDGES: Final = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)

# A pivot below this share of its diagonal element is what rounding left of zero.
_LEAST_PIVOT: Final = 1e-13


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NewtonState(WatchedState):
    """Where Newton's method stands: the last accepted point and the step that is tried.

    The point asked for is ``x + step * direction``.

    Parameters
    ----------
    direction, slope
        The direction that is tried.
    """

    direction: Array
    slope: float = nan


class Newton(Descent[NewtonState]):
    """Minimise a smooth function by Newton steps; wants the Hessian at each evaluation.

    Parameters
    ----------
    x0 : ndarray of float64, shape (d,)
        The start.
    metric : ndarray of float64, shape (d,), optional
        Positive diagonal D in which the gradient is measured; ones by default.
    tol : float, default 1e-6
        Gradient norm to reach, relative to that at the start.
    max_iter : int, default 50
        Steps, not evaluations.
    """

    state_type = NewtonState
    needs_hessian = True

    def __init__(
        self,
        x0: Array,
        *,
        metric: Array | None = None,
        tol: float = 1e-6,
        max_iter: int = 50,
    ) -> None:
        super().__init__(x0, metric, tol, max_iter)

    def init(self) -> NewtonState:
        """Return the state that asks for the start."""
        return NewtonState(x=self.x0, direction=np.zeros_like(self.x0))

    def ask(self, state: NewtonState) -> Point:
        """Return the trial point as ``{"x": array (d,)}``."""
        return {"x": state.x + state.step * state.direction}

    def _begin(self, state: NewtonState, evaluation: Evaluation) -> NewtonState:
        return self._arrive(state, evaluation)

    def _judge(self, state: NewtonState, evaluation: Evaluation, *, finite: bool) -> NewtonState:
        """Take the step, or halve it."""
        slope = dot(evaluation.gradient, state.direction) if finite else nan
        trial = Trial(state.step, evaluation.value, slope)
        if finite and decreases(Line(state.value, state.slope), trial):
            x = state.x + state.step * state.direction
            return self._arrive(replace(state, x=x, iterations=state.iterations + 1), evaluation)
        return halved(state, MAX_TRIALS, finite=finite)

    def _finite(self, evaluation: Evaluation) -> bool:
        if evaluation.hessian is None:
            raise TypeError("Newton needs the Hessian with each evaluation: see `needs_hessian`")
        return super()._finite(evaluation) and bool(np.isfinite(evaluation.hessian).all())

    def _arrive(self, state: NewtonState, evaluation: Evaluation) -> NewtonState:
        """Stop at the current point, or set out in a new direction."""
        length = norm(evaluation.gradient, self.metric)
        state = watched(self._measured(state, evaluation, length))
        end = self._end(state, stalled=state.flat >= MAX_FLAT)
        if end.done:
            return replace(state, status=end.name)
        direction = _newton_direction(evaluation)
        slope = dot(direction, evaluation.gradient)
        if not slope < 0.0:
            return replace(state, status=Status.STALLED.name)
        return replace(state, direction=direction, slope=slope, step=1.0, trials=0)


def _newton_direction(evaluation: Evaluation) -> Array:
    """Return the solution of (H + τ diag(H)) d = -g for the first τ that allows it."""
    hessian = np.asarray(evaluation.hessian, np.float64)
    diagonal = hessian.diagonal().copy()
    diagonal[diagonal <= 0.0] = 1.0
    for ridge in _RIDGES:
        factor = _factor(hessian + np.diag(ridge * diagonal), diagonal)
        if factor is not None:
            return np.asarray(-cho_solve((factor, True), evaluation.gradient))
    # Not convex here: the gradient, scaled, still leads down.
    return np.asarray(-evaluation.gradient / diagonal)


def _factor(matrix: Array, diagonal: Array) -> Array | None:
    """Return the lower Cholesky factor, or None where it is not safe to use."""
    try:
        factor = np.asarray(cholesky(matrix, lower=True, check_finite=False))
    except LinAlgError:
        return None
    safe = bool((factor.diagonal() ** 2 > _LEAST_PIVOT * diagonal).all())
    return factor if safe else None
