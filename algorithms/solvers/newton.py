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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.solvers.search import Line, Trial, decreases
from mr.solver import Evaluation, Point, Solver, Status

Array = NDArray[Any]

MAX_TRIALS: Final = 40
"""Halvings of one step before it is given up."""

MAX_FLAT: Final = 5
"""Steps in a row that lower neither objective nor gradient before the solver has stalled."""

_RIDGES: Final = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)

# A pivot below this share of its diagonal element is what rounding left of zero.
_LEAST_PIVOT: Final = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class NewtonState:
    """Where Newton's method stands: the last accepted point and the step that is tried.

    Parameters
    ----------
    x, value, gradient_norm
        The last accepted point; NaN before the first evaluation.
    first_norm : float
        Gradient norm at the start.
    best_value, best_norm : float
        The least so far.
    flat : int
        Steps in a row that improved on neither.
    direction, slope, step
        The point asked for is ``x + step * direction``.
    trials : int
        Trials made along this direction.
    iterations, evaluations : int
        Steps accepted; points evaluated.
    status : str
        Name of the `Status`.
    """

    x: Array
    direction: Array
    value: float = nan
    gradient_norm: float = nan
    first_norm: float = nan
    best_value: float = inf
    best_norm: float = inf
    flat: int = 0
    slope: float = nan
    step: float = 0.0
    trials: int = 0
    iterations: int = 0
    evaluations: int = 0
    status: str = Status.RUNNING.name


class Newton(Solver[NewtonState]):
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
        self.x0 = np.array(x0, np.float64)
        self.metric = None if metric is None else np.array(metric, np.float64)
        self.tol = tol
        self.max_iter = max_iter

    def init(self) -> NewtonState:
        """Return the state that asks for the start."""
        return NewtonState(x=self.x0, direction=np.zeros_like(self.x0))

    def ask(self, state: NewtonState) -> Point:
        """Return the trial point as ``{"x": array (d,)}``."""
        return {"x": state.x + state.step * state.direction}

    def status(self, state: NewtonState) -> Status:
        """Return whether to go on, and if not, why."""
        return Status[state.status]

    def report(self, state: NewtonState) -> Mapping[str, float]:
        """Return ``loss``, ``gradient`` (relative norm) and ``iteration``."""
        relative = state.gradient_norm / state.first_norm if state.first_norm > 0 else 0.0
        return {"loss": state.value, "gradient": relative, "iteration": state.iterations}

    def tell(self, state: NewtonState, evaluation: Evaluation) -> NewtonState:
        """Return the state after an evaluation: a new direction, or half the step."""
        state = replace(state, evaluations=state.evaluations + 1)
        finite = _finite(evaluation)
        if state.evaluations == 1:
            if not finite:
                return replace(state, status=Status.DIVERGED.name, value=evaluation.value)
            return self._arrive(state, evaluation)
        slope = dot(evaluation.gradient, state.direction) if finite else nan
        trial = Trial(state.step, evaluation.value, slope)
        if finite and decreases(Line(state.value, state.slope), trial):
            x = state.x + state.step * state.direction
            return self._arrive(replace(state, x=x, iterations=state.iterations + 1), evaluation)
        if state.trials + 1 >= MAX_TRIALS:
            return replace(state, status=(Status.STALLED if finite else Status.DIVERGED).name)
        return replace(state, trials=state.trials + 1, step=0.5 * state.step)

    def _arrive(self, state: NewtonState, evaluation: Evaluation) -> NewtonState:
        """Stop at the current point, or set out in a new direction."""
        length = norm(evaluation.gradient, self.metric)
        better = evaluation.value < state.best_value or length < state.best_norm
        state = replace(
            state,
            value=float(evaluation.value),
            gradient_norm=length,
            first_norm=state.first_norm if state.iterations else length,
            best_value=min(state.best_value, float(evaluation.value)),
            best_norm=min(state.best_norm, length),
            flat=0 if better else state.flat + 1,
        )
        if length <= self.tol * state.first_norm:
            return replace(state, status=Status.CONVERGED.name)
        if state.flat >= MAX_FLAT:
            return replace(state, status=Status.STALLED.name)
        if state.iterations >= self.max_iter:
            return replace(state, status=Status.MAX_ITERATIONS.name)
        direction = _newton_direction(evaluation)
        slope = dot(direction, evaluation.gradient)
        if not slope < 0.0:
            return replace(state, status=Status.STALLED.name)
        return replace(state, direction=direction, slope=slope, step=1.0, trials=0)


def _finite(evaluation: Evaluation) -> bool:
    if evaluation.hessian is None:
        raise TypeError("Newton needs the Hessian with each evaluation: see `needs_hessian`")
    arrays = (evaluation.gradient, evaluation.hessian)
    return isfinite(evaluation.value) and all(bool(np.isfinite(a).all()) for a in arrays)


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
