"""The contract of an engine: where attempts run. It fits on this screen.

Each engine is an adapter of about a hundred lines, held to one conformance
suite (``tests/contracts/engines.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from mr.config import Config
from mr.errors import UsageError
from mr.events import EngineEvent
from mr.job import FoldJob
from mr.solver import Point
from mr.storage.dataset import Dataset
from mr.task import Attempt, Fault


@dataclass(frozen=True, eq=False)
class Program:
    """What stays the same over the passes of a job; sent to a worker once."""

    job: FoldJob
    dataset: Dataset


@dataclass(frozen=True, eq=False)
class Round:
    """What stays the same over the tasks of a pass; sent to a worker once."""

    program: Program
    point: Point


@dataclass(frozen=True, slots=True)
class Work:
    """An attempt with all that a worker needs for it."""

    attempt: Attempt
    worker: str
    round: Round
    fault: Fault | None = None
    skip: frozenset[int] = frozenset()


class Engine(Protocol):
    """Workers that run attempts, one at a time each.

    An engine reports each attempt's end once, unless it was cancelled or its
    worker was lost; it replaces lost workers; it knows nothing of retries.
    """

    name: str
    slots: int
    """How many workers it aims to have up."""
    vital: bool
    """Whether its workers give signs of life, and are missed when they stop."""

    @classmethod
    def open(cls, config: Config, options: str = "") -> Self:
        """Start workers, and return before they are all up.

        ``options`` is what follows the engine's name and a colon.

        Raises
        ------
        UsageError
            If the engine has no such options.
        """

    def clock(self) -> float:
        """Return the engine's time in seconds, from any origin; a simulated one has its own."""

    def submit(self, work: Work) -> None:
        """Give an attempt to an idle worker."""

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Return what happened since, waiting up to ``timeout`` seconds for something to.

        ``None`` waits as long as it takes.

        Raises
        ------
        WorkersUnavailable
            If no worker can be had.
        """

    def cancel(self, attempt: Attempt) -> None:
        """Stop an attempt whatever it takes; its worker may be lost over it."""

    def close(self) -> None:
        """Stop all workers and leave nothing behind; may be called twice."""


def refuse_options(name: str, options: str) -> None:
    """Refuse options of an engine that has none.

    Raises
    ------
    UsageError
        If there are any.
    """
    if options:
        raise UsageError(f"The engine {name} has no options, and {options!r} was given")
