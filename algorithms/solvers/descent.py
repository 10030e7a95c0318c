"""What the descent methods share: where they stand, when they end, and what they say of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mr.solver import Evaluation, Solver, Status

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DescentState:
    """Where a descent stands.

    Parameters
    ----------
    x : ndarray of float64, shape (d,)
        The last accepted point.
    value, gradient_norm : float
        Of that point; NaN before the first evaluation.
    first_norm : float
        Gradient norm at the start.
    step : float
        The next trial, along a direction from ``x``.
    trials : int
        Trials made along this direction.
    iterations, evaluations : int
        Steps accepted; points evaluated.
    status : str
        Name of the `Status`.
    """

    x: Array
    value: float = nan
    gradient_norm: float = nan
    first_norm: float = nan
    step: float = 0.0
    trials: int = 0
    iterations: int = 0
    evaluations: int = 0
    status: str = Status.RUNNING.name


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WatchedState(DescentState):
    """Where a descent stands that is given up when it no longer gets anywhere.

    Parameters
    ----------
    best_value, best_norm : float
        The least so far.
    flat : int
        Steps in a row that improved on neither.
    """

    best_value: float = inf
    best_norm: float = inf
    flat: int = 0


D = TypeVar("D", bound=DescentState)
W = TypeVar("W", bound=WatchedState)


class Descent(Solver[D]):
    """A method that goes down from a point, in the norm of a metric.

    Parameters
    ----------
    x0 : ndarray of float64, shape (d,)
        The start.
    metric : ndarray of float64, shape (d,), optional
        Positive diagonal D near that of the Hessian; ones by default.
    tol : float
        Gradient norm to reach, relative to that at the start.
    max_iter : int
        Steps, not evaluations.
    """

    def __init__(self, x0: Array, metric: Array | None, tol: float, max_iter: int) -> None:
        self.x0 = np.array(x0, np.float64)
        self.metric = None if metric is None else np.array(metric, np.float64)
        self.tol = tol
        self.max_iter = max_iter

    def status(self, state: D) -> Status:
        """Return whether to go on, and if not, why."""
        return Status[state.status]

    def report(self, state: D) -> Mapping[str, float]:
        """Return ``loss``, ``gradient`` (relative norm) and ``iteration``."""
        relative = state.gradient_norm / state.first_norm if state.first_norm > 0 else 0.0
        return {"loss": state.value, "gradient": relative, "iteration": state.iterations}

    def tell(self, state: D, evaluation: Evaluation) -> D:
        """Return the state after an evaluation: a step from there, or another trial."""
        state = replace(state, evaluations=state.evaluations + 1)
        finite = self._finite(evaluation)
        if state.evaluations > 1:
            return self._judge(state, evaluation, finite=finite)
        if not finite:
            return replace(state, status=Status.DIVERGED.name, value=evaluation.value)
        return self._begin(state, evaluation)

    @abstractmethod
    def _begin(self, state: D, evaluation: Evaluation) -> D:
        """Return the state after the evaluation at the start."""

    @abstractmethod
    def _judge(self, state: D, evaluation: Evaluation, *, finite: bool) -> D:
        """Return the state after the evaluation of a trial."""

    def _finite(self, evaluation: Evaluation) -> bool:
        return isfinite(evaluation.value) and bool(np.isfinite(evaluation.gradient).all())

    def _measured(self, state: D, evaluation: Evaluation, length: float) -> D:
        """Return the state with what was found at its point; ``length`` is the gradient's."""
        return replace(
            state,
            value=float(evaluation.value),
            gradient_norm=length,
            first_norm=state.first_norm if state.iterations else length,
        )

    def _end(self, state: D, *, stalled: bool = False) -> Status:
        """Return whether a measured point is the last, and why."""
        if state.gradient_norm <= self.tol * state.first_norm:
            return Status.CONVERGED
        if stalled:
            return Status.STALLED
        return Status.MAX_ITERATIONS if state.iterations >= self.max_iter else Status.RUNNING


def watched(state: W) -> W:
    """Return a measured state that says how long neither value nor gradient has improved."""
    better = state.value < state.best_value or state.gradient_norm < state.best_norm
    return replace(
        state,
        best_value=min(state.best_value, state.value),
        best_norm=min(state.best_norm, state.gradient_norm),
        flat=0 if better else state.flat + 1,
    )


def halved(state: D, most: int, *, finite: bool) -> D:
    """Return the state that tries half the step, or that of a descent that has tried enough."""
    if state.trials + 1 >= most:
        return replace(state, status=(Status.STALLED if finite else Status.DIVERGED).name)
    return replace(state, trials=state.trials + 1, step=0.5 * state.step)
