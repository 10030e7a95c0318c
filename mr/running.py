"""The attempts that run: since when, where, until when they may, and which are stragglers."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass

from mr.policies import Policies
from mr.task import Attempt


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt that runs on a worker since a time."""

    attempt: Attempt
    worker: str
    started: float


class Running:
    """Attempts in the order in which they were started.

    Parameters
    ----------
    policies : Policies
    tasks : int
        Number of tasks of the pass.
    vital : bool
        Whether workers give signs of life.
    """

    def __init__(self, policies: Policies, tasks: int, *, vital: bool = False) -> None:
        self._policies = policies
        self._vital = vital
        self._tasks = tasks
        self._runs: dict[Attempt, Run] = {}
        self._heard: dict[str, float] = {}
        self._durations: list[float] = []

    def __contains__(self, attempt: object) -> bool:
        """Return whether an attempt runs."""
        return attempt in self._runs

    def __getitem__(self, attempt: Attempt) -> Run:
        """Return where an attempt runs, and since when."""
        return self._runs[attempt]

    def __iter__(self) -> Iterator[Attempt]:
        """Go through the attempts."""
        return iter(self._runs)

    def start(self, attempt: Attempt, worker: str, now: float) -> None:
        """Take down that an attempt begins."""
        self._runs[attempt] = Run(attempt, worker, now)

    def end(self, attempt: Attempt) -> Run:
        """Take down that an attempt has ended, one way or another."""
        return self._runs.pop(attempt)

    def finish(self, attempt: Attempt, now: float) -> None:
        """Take down that an attempt has ended well: others are measured by it."""
        insort(self._durations, now - self.end(attempt).started)

    def hear(self, worker: str, now: float) -> None:
        """Take down a worker's sign of life."""
        self._heard[worker] = now

    def limits(self) -> list[float]:
        """Return when the first attempts will have run, or their workers been silent, too long."""
        times = []
        if self._policies.retry.timeout is not None and self._runs:
            times.append(next(iter(self._runs.values())).started + self._policies.retry.timeout)
        if self._vital:
            times += [self._silence(run) for run in self._runs.values()]
        return times

    def too_long(self, now: float) -> list[Run]:
        """Return the attempts that have run for longer than they may."""
        timeout = self._policies.retry.timeout
        if timeout is None:
            return []
        return [run for run in self._runs.values() if now >= run.started + timeout]

    def silent(self, now: float) -> list[Run]:
        """Return the attempts whose workers have given no sign of life for too long."""
        if not self._vital:
            return []
        return [run for run in self._runs.values() if now >= self._silence(run)]

    def stragglers(self) -> list[tuple[float, Attempt]]:
        """Return the attempts that are, or will be, stragglers, and from when on."""
        policy = self._policies.speculation
        patience = policy.patience(self._durations, self._tasks) if policy else None
        if patience is None:
            return []
        # In the order in which they were started, which is that of the times.
        return [(run.started + patience, run.attempt) for run in self._runs.values()]

    def _silence(self, run: Run) -> float:
        """Return when the worker of an attempt is held to be lost if it says nothing more."""
        return max(self._heard.get(run.worker, 0.0), run.started) + self._policies.silence
