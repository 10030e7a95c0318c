r"""L-BFGS in scaled coordinates, with its line search as a part of the state.

The direction is :math:`d = -H g`, where H comes from the last ``memory`` pairs
:math:`s = x_{k+1} - x_k`, :math:`y = g_{k+1} - g_k` by the two-loop recursion (Nocedal and
Wright, *Numerical Optimization*, 2nd ed. 2006, algorithm 7.4), starting from

.. math::
    H_0 = \gamma D^{-1}, \qquad \gamma = \frac{s^T y}{y^T D^{-1} y} .

With the positive diagonal D this is L-BFGS in the coordinates :math:`\sqrt{D_j} x_j`: a D
near the Hessian's diagonal makes badly scaled columns harmless and saves passes.

It has converged when :math:`\|g\|_D \le tol \cdot \|g(x_0)\|_D` with
:math:`\|g\|_D = \sqrt{g^T D^{-1} g}`; a zero gradient at the start has converged at once. There
is no other rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.solvers.descent import Descent, WatchedState, watched
from mr.algorithms.solvers.search import Bracket, Line, Trial, narrow, propose, wolfe
from mr.solver import Evaluation, Point, Status

Array = NDArray[Any]

MAX_TRIALS: Final = 25
"""Evaluations along one direction before it is given up."""

MAX_FLAT: Final = 40
"""Steps in a row that lower neither objective nor gradient before the solver has stalled."""

# Below this share of y' y, the curvature s' y of a pair is rounding.
_LEAST_CURVATURE: Final = 2.0**-52


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LBFGSState(WatchedState):
    """Where L-BFGS stands: the last accepted point, the curvature seen, the line searched.

    The point asked for is ``x + step * direction``.

    Parameters
    ----------
    gradient : ndarray of float64, shape (d,)
        At ``x``; zeros before the first evaluation.
    s, y, curvature
        The pairs, oldest first, and their inner products.
    direction, slope
        The line that is searched.
    low, low_slope, high, high_slope : float
        The bracket.
    """

    gradient: Array
    direction: Array
    s: tuple[Array, ...] = ()
    y: tuple[Array, ...] = ()
    curvature: tuple[float, ...] = ()
    slope: float = nan
    low: float = 0.0
    low_slope: float = nan
    high: float = inf
    high_slope: float = nan


class LBFGS(Descent[LBFGSState]):
    """Minimise a smooth function by limited-memory BFGS.

    Parameters
    ----------
    x0 : ndarray of float64, shape (d,)
        The start.
    metric : ndarray of float64, shape (d,), optional
        Positive diagonal D near that of the Hessian; ones by default.
    tol : float, default 1e-6
        Gradient norm to reach, relative to that at the start.
    max_iter : int, default 200
        Steps, not evaluations.
    memory : int, default 10
        Pairs kept.
    """

    state_type = LBFGSState
    needs_hessian = False

    def __init__(
        self,
        x0: Array,
        *,
        metric: Array | None = None,
        tol: float = 1e-6,
        max_iter: int = 200,
        memory: int = 10,
    ) -> None:
        super().__init__(x0, metric, tol, max_iter)
        self.memory = memory

    def init(self) -> LBFGSState:
        """Return the state that asks for the start."""
        zeros = np.zeros_like(self.x0)
        return LBFGSState(x=self.x0, gradient=zeros, direction=zeros)

    def ask(self, state: LBFGSState) -> Point:
        """Return the trial point as ``{"x": array (d,)}``."""
        return {"x": state.x + state.step * state.direction}

    def _begin(self, state: LBFGSState, evaluation: Evaluation) -> LBFGSState:
        return self._arrive(state, state.x, evaluation)

    def _judge(self, state: LBFGSState, evaluation: Evaluation, *, finite: bool) -> LBFGSState:
        """Take the step, or narrow the bracket."""
        slope = dot(evaluation.gradient, state.direction) if finite else nan
        trial = Trial(state.step, evaluation.value, slope)
        if finite and wolfe(Line(state.value, state.slope), trial):
            return self._step(state, evaluation)
        return self._try_again(state, trial)

    def _step(self, state: LBFGSState, evaluation: Evaluation) -> LBFGSState:
        """Accept the trial point, and keep the curvature along the step."""
        x = state.x + state.step * state.direction
        s, y = x - state.x, evaluation.gradient - state.gradient
        sy = dot(s, y)
        state = replace(state, iterations=state.iterations + 1)
        if sy > _LEAST_CURVATURE * dot(y, self._scale(y)):
            keep = max(0, len(state.s) + 1 - self.memory)
            state = replace(
                state,
                s=(*state.s, s)[keep:],
                y=(*state.y, y)[keep:],
                curvature=(*state.curvature, sy)[keep:],
            )
        return self._arrive(state, x, evaluation)

    def _arrive(self, state: LBFGSState, x: Array, evaluation: Evaluation) -> LBFGSState:
        """Make an evaluated point the current one: stop there, or set out on a new line."""
        gradient = np.array(evaluation.gradient, np.float64)
        length = norm(gradient, self.metric)
        state = replace(state, x=x, gradient=gradient)
        state = watched(self._measured(state, evaluation, length))
        end = self._end(state, stalled=state.flat >= MAX_FLAT)
        return replace(state, status=end.name) if end.done else self._set_out(state)

    def _set_out(self, state: LBFGSState) -> LBFGSState:
        """Start a line search from the current point."""
        direction = -self._inverse_hessian(state)
        slope = dot(direction, state.gradient)
        if not slope < 0.0:  # rounding has eaten the curvature: begin anew
            return self._give_up(state, Status.STALLED)
        # With curvature seen, or a metric, the length of the direction itself is right.
        known = bool(state.s) or self.metric is not None
        step = 1.0 if known else min(1.0, 1.0 / state.gradient_norm)
        return replace(
            state,
            direction=direction,
            slope=slope,
            step=step,
            trials=0,
            low=0.0,
            low_slope=slope,
            high=inf,
            high_slope=nan,
        )

    def _try_again(self, state: LBFGSState, trial: Trial) -> LBFGSState:
        """Narrow the bracket and choose another step on the same line."""
        trials = state.trials + 1
        before = Bracket(state.low, state.low_slope, state.high, state.high_slope)
        bracket = narrow(before, Line(state.value, state.slope), trial)
        if trials >= MAX_TRIALS:
            finite = isfinite(trial.value)
            return self._give_up(state, Status.STALLED if finite else Status.DIVERGED)
        return replace(
            state,
            trials=trials,
            step=propose(bracket, before, trials),
            low=bracket.low,
            low_slope=bracket.low_slope,
            high=bracket.high,
            high_slope=bracket.high_slope,
        )

    def _give_up(self, state: LBFGSState, status: Status) -> LBFGSState:
        """Leave the line: begin anew without the pairs, or end if there were none."""
        if not state.s:
            return replace(state, status=status.name)
        return self._set_out(replace(state, s=(), y=(), curvature=()))

    def _inverse_hessian(self, state: LBFGSState) -> Array:
        """Return H g by the two-loop recursion."""
        q = state.gradient.copy()
        pairs = list(zip(state.s, state.y, state.curvature, strict=True))
        parts = []
        for s, y, sy in reversed(pairs):
            parts.append(dot(s, q) / sy)
            q -= parts[-1] * y
        q = self._scale(q)
        if pairs:
            y, sy = state.y[-1], state.curvature[-1]
            q *= sy / dot(y, self._scale(y))
        for (s, y, sy), part in zip(pairs, reversed(parts), strict=True):
            q += (part - dot(y, q) / sy) * s
        return q

    def _scale(self, gradient: Array) -> Array:
        """Return D^-1 times a gradient."""
        return gradient if self.metric is None else gradient / self.metric
