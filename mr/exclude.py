"""Which workers and hosts are given no work for a while, since attempts keep failing there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Exclusion:
    """When a worker or host is left out, and for how long.

    Parameters
    ----------
    failures : int
        Failures of attempts within the window that exclude a worker; twice as many, a host.
    window : float
        Seconds that a failure counts.
    rest : float
        Seconds after which the excluded one is given work again.
    share : float
        At most this share of those present is excluded at any time, so work goes on.
    """

    failures: int = 3
    window: float = 60.0
    rest: float = 30.0
    share: float = 0.5


@dataclass
class Exclusions:
    """Failures by worker and host; kept over the passes of a run.

    Parameters
    ----------
    policy : Exclusion
    """

    policy: Exclusion = field(default_factory=Exclusion)
    _failures: dict[str, deque[float]] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def strike(self, worker: str, host: str, now: float) -> None:
        """Take down that an attempt failed on a worker."""
        self._count(worker, self.policy.failures, now)
        self._count(host, 2 * self.policy.failures, now)

    def allowed(self, present: Iterable[str], now: float) -> set[str]:
        """Return the workers, or the hosts, among those present that may be given work.

        Those excluded last come back first where too many are.
        """
        names = list(present)
        if not self._until:
            return set(names)
        barred = [name for name in names if self._until.get(name, now) > now]
        barred.sort(key=lambda name: (self._until[name], name))
        most = int(self.policy.share * len(names))
        return set(names) - set(barred[:most])

    def wakeup(self, now: float) -> float | None:
        """Return when the next excluded one comes back."""
        return min((until for until in self._until.values() if until > now), default=None)

    def _count(self, name: str, limit: int, now: float) -> None:
        recent = self._failures.setdefault(name, deque())
        recent.append(now)
        while recent[0] <= now - self.policy.window:
            recent.popleft()
        if len(recent) >= limit:
            self._until[name] = now + self.policy.rest
            recent.clear()
