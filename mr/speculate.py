"""When a running attempt is a straggler, and a second one is worth starting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speculation:
    """Bounds on speculative attempts, as in Hadoop and Spark.

    Parameters
    ----------
    share : float
        Share of the pass's tasks that must be done before any is a straggler.
    factor : float
        An attempt is one once it runs this many times the median of the finished ones,
    least : float
        and at least this many seconds.
    copies : int
        Attempts of a task that may run at the same time.
    """

    share: float = 0.75
    factor: float = 2.0
    least: float = 1.0
    copies: int = 2

    def patience(self, durations: Sequence[float], tasks: int) -> float | None:
        """Return the seconds after which a running attempt is a straggler, or None if none is.

        Parameters
        ----------
        durations : sequence of float
            Seconds of the finished attempts, sorted.
        tasks : int
            Number of tasks of the pass.
        """
        if not durations or len(durations) < self.share * tasks:
            return None
        return max(self.least, self.factor * durations[len(durations) // 2])
