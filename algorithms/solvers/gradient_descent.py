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

from dataclasses import dataclass, replace
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.solvers.descent import Descent, DescentState, halved
from mr.algorithms.solvers.search import Line, Trial, decreases
from mr.solver import Evaluation, Point

Array = NDArray[Any]

MAX_TRIALS: Final = 60
"""Halvings of one step before it is given up."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GradientDescentState(DescentState):
    """Where gradient descent stands.

    The point asked for is ``x - step * gradient / D``.

    Parameters
    ----------
    gradient : ndarray of float64, shape (d,)
        At ``x``; zeros before the first evaluation.
    """

    gradient: Array


class GradientDescent(Descent[GradientDescentState]):
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
        super().__init__(x0, metric, tol, max_iter)

    def init(self) -> GradientDescentState:
        """Return the state that asks for the start."""
        return GradientDescentState(x=self.x0, gradient=np.zeros_like(self.x0))

    def ask(self, state: GradientDescentState) -> Point:
        """Return the trial point as ``{"x": array (d,)}``."""
        return {"x": state.x + state.step * self._direction(state.gradient)}

    def _begin(self, state: GradientDescentState, evaluation: Evaluation) -> GradientDescentState:
        return self._arrive(replace(state, step=1.0), evaluation)

    def _judge(
        self, state: GradientDescentState, evaluation: Evaluation, *, finite: bool
    ) -> GradientDescentState:
        """Take the step, or halve it."""
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
        return halved(state, MAX_TRIALS, finite=finite)

    def _arrive(self, state: GradientDescentState, evaluation: Evaluation) -> GradientDescentState:
        """Make an evaluated point the current one: stop there, or go on."""
        gradient = np.array(evaluation.gradient, np.float64)
        length = norm(gradient, self.metric)
        state = self._measured(replace(state, gradient=gradient), evaluation, length)
        return replace(state, trials=0, status=self._end(state).name)

    def _direction(self, gradient: Array) -> Array:
        return -gradient if self.metric is None else -gradient / self.metric


def _growth(before: float, after: float) -> float:
    """Return by what the step grows, from the slopes along the last one at both its ends."""
    bend = after - before
    return min(max(-before / bend, 0.1), 10.0) if bend > 0.0 else 10.0
