"""The contract of a solver: explicit state, asked for points and told their values.

A solver never loops and never touches data. Its state is a frozen dataclass of
arrays and plain values, so that each evaluation can be checkpointed, resumed
and, later, run in lockstep with others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Point = Mapping[str, NDArray[Any]]
"""Named arrays at which a job is to be evaluated: what travels to workers each round."""

S = TypeVar("S")


class Status(Enum):
    """Where a solver stands; the text of each carries the remedy."""

    RUNNING = "running"
    CONVERGED = "converged: the relative gradient is within the tolerance"
    MAX_ITERATIONS = (
        "not converged: the iterations ran out; raise max_iter, loosen tol, or add some l2"
    )
    STALLED = (
        "not converged: no step lowers the objective further; the tolerance is below what "
        "rounding allows: loosen tol, or scale the columns"
    )
    DIVERGED = (
        "not converged: the objective is not finite; look for huge values in the data, "
        "or add some l2"
    )

    @property
    def done(self) -> bool:
        """Whether the solver has nothing more to ask."""
        return self is not Status.RUNNING

    @property
    def converged(self) -> bool:
        """Whether the tolerance was reached."""
        return self is Status.CONVERGED


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The objective at one point.

    Parameters
    ----------
    value : float
        The objective.
    gradient : ndarray of float64, shape (d,)
        Its gradient.
    hessian : ndarray of float64, shape (d, d), optional
        Its second derivatives, for solvers that ask for them.
    """

    value: float
    gradient: NDArray[Any]
    hessian: NDArray[Any] | None = None


class Solver(ABC, Generic[S]):
    """Moves a state towards an optimum by asking and being told.

    ``init`` makes the first state; then, until ``status(state).done``, the
    driver evaluates the job at ``ask(state)`` and goes on with
    ``tell(state, evaluation)``. All four are pure.
    """

    state_type: type[S]
    """The dataclass of the state, for reading checkpoints back."""

    @abstractmethod
    def init(self) -> S:
        """Return the first state."""

    @abstractmethod
    def ask(self, state: S) -> Point:
        """Return the point at which the job is to be evaluated next."""

    @abstractmethod
    def tell(self, state: S, evaluation: Any) -> S:
        """Return the state after the evaluation at ``ask(state)``."""

    @abstractmethod
    def status(self, state: S) -> Status:
        """Return whether to go on, and if not, why."""

    def report(self, state: S) -> Mapping[str, float]:
        """Return figures for progress, such as ``loss`` and ``gradient``; empty by default."""
        del state
        return {}
