"""Whether and when a task is tried again: data and pure decisions."""

from __future__ import annotations

from dataclasses import dataclass

from mr.errors import GradfoldError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on the attempts of a task.

    Parameters
    ----------
    attempts : int
        Attempts that may fail before the task does; 4, as in Hadoop.
    losses : int
        Workers that a task may take with it before it is held to be the cause.
    backoff : float
        Seconds before the second attempt; doubled for each after it.
    longest : float
        Seconds that the backoff does not exceed.
    timeout : float, optional
        Seconds that an attempt may run; None for as long as it takes.
    """

    attempts: int = 4
    losses: int = 4
    backoff: float = 0.05
    longest: float = 5.0
    timeout: float | None = None

    def again(self, error: GradfoldError, failures: int) -> bool:
        """Return whether a task is tried again after its ``failures``-th failure."""
        return error.retryable and failures < self.attempts

    def again_after_loss(self, losses: int) -> bool:
        """Return whether a task is tried again after it lost its ``losses``-th worker."""
        return losses < self.losses

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after the ``failures``-th failure."""
        return float(min(self.longest, self.backoff * 2 ** max(0, failures - 1)))
