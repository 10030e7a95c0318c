r"""Gradient descent with backtracking, the trial step being a part of the state.

.. math::
    x_{k+1} = x_k - t_k D^{-1} \nabla f(x_k)

The step starts from Barzilai and Borwein's quotient (*Two-point step size gradient methods*, IMA
J. Numer. Anal. 8, 1988), :math:`t = s^T D s / s^T y` over the last step, within a tenth to ten
times the last one, and is halved until it lowers the objective enough (Armijo's rule, or the
approximate one near rounding; see `mr.algorithms.solvers.search`). For
comparison and teaching: L-BFGS needs far fewer passes. It has converged when
:math:`\|g\|_D \le tol \cdot \|g(x_0)\|_D`, as for L-BFGS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.solvers.search import Line, Trial, decreases
from mr.solver import Evaluation, Point, Solver, Status

Array = NDArray[Any]

MAX_TRIALS: Final = 60
"""Halvings of one step before it is given up."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientDescentState:
    """Where gradient descent stands.

    Parameters
    ----------
    x, gradient, value, gradient_norm
        The last accepted point; NaN and zeros before the first evaluation.
    first_norm : float
        Gradient norm at the start.
    step : float
        The point asked for is ``x - step * gradient / D``.
    trials : int
        Trials made from this point.
    iterations, evaluations : int
        Steps accepted; points evaluated.
    status : str
        Name of the `Status`.
    """

    x: Array
    gradient: Array
    value: float = nan
    gradient_norm: float = nan
    first_norm: float = nan
    step: float = 0.0
    trials: int = 0
    iterations: int = 0
    evaluations: int = 0
    status: str = Status.RUNNING.name


class GradientDescent(Solver[GradientDescentState]):
    """Minimise a smooth function by steps down the gradient.

    Parameters
    ----------
    x0 : ndarray of float64, shape (d,)
        The start.
    metric : ndarray of float64, shape (d,), optional
        Positive diagonal D that scales the coordinates; ones by default.
    tol : float, default 1e-6
        Gradient norm to reach, relative to that at the start.
    max_iter : int, default 1000
        Steps, not evaluations.
    """

    state_type = GradientDescentState
    needs_hessian = False

    def __init__(
        self,
        x0: Array,
        *,
        metric: Array | None = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
    ) -> None:
        self.x0 = np.array(x0, np.float64)
        self.metric = None if metric is None else np.array(metric, np.float64)
        self.tol = tol
        self.max_iter = max_iter

    def init(self) -> GradientDescentState:
        """Return the state that asks for the start."""
        return GradientDescentState(x=self.x0, gradient=np.zeros_like(self.x0))

    def ask(self, state: GradientDescentState) -> Point:
        """Return the trial point as ``{"x": array (d,)}``."""
        return {"x": state.x + state.step * self._direction(state.gradient)}

    def status(self, state: GradientDescentState) -> Status:
        """Return whether to go on, and if not, why."""
        return Status[state.status]

    def report(self, state: GradientDescentState) -> Mapping[str, float]:
        """Return ``loss``, ``gradient`` (relative norm) and ``iteration``."""
        relative = state.gradient_norm / state.first_norm if state.first_norm > 0 else 0.0
        return {"loss": state.value, "gradient": relative, "iteration": state.iterations}

    def tell(self, state: GradientDescentState, evaluation: Evaluation) -> GradientDescentState:
        """Return the state after an evaluation: a step from there, or half the step."""
        state = replace(state, evaluations=state.evaluations + 1)
        finite = isfinite(evaluation.value) and bool(np.isfinite(evaluation.gradient).all())
        if state.evaluations == 1:
            if not finite:
                return replace(state, status=Status.DIVERGED.name, value=evaluation.value)
            return self._arrive(replace(state, step=1.0), evaluation)
        direction = self._direction(state.gradient)
        line = Line(state.value, -(state.gradient_norm**2))
        slope = dot(evaluation.gradient, direction) if finite else nan
        if finite and decreases(line, Trial(state.step, evaluation.value, slope)):
            state = replace(
                state,
                x=state.x + state.step * direction,
                step=state.step * _growth(line.slope, slope),
                iterations=state.iterations + 1,
            )
            return self._arrive(state, evaluation)
        if state.trials + 1 >= MAX_TRIALS:
            return replace(state, status=(Status.STALLED if finite else Status.DIVERGED).name)
        return replace(state, trials=state.trials + 1, step=0.5 * state.step)

    def _arrive(self, state: GradientDescentState, evaluation: Evaluation) -> GradientDescentState:
        """Make an evaluated point the current one: stop there, or go on."""
        gradient = np.array(evaluation.gradient, np.float64)
        length = norm(gradient, self.metric)
        state = replace(
            state,
            gradient=gradient,
            value=float(evaluation.value),
            gradient_norm=length,
            first_norm=state.first_norm if state.iterations else length,
        )
        if length <= self.tol * state.first_norm:
            return replace(state, status=Status.CONVERGED.name)
        if state.iterations >= self.max_iter:
            return replace(state, status=Status.MAX_ITERATIONS.name)
        return replace(state, trials=0)

    def _direction(self, gradient: Array) -> Array:
        return -gradient if self.metric is None else -gradient / self.metric


def _growth(before: float, after: float) -> float:
    """Return by what the step grows, from the slopes along the last one at both its ends."""
    bend = after - before
    return min(max(-before / bend, 0.1), 10.0) if bend > 0.0 else 10.0
