"""`Storm`: seeded faults for a virtual cluster, each at the n-th attempt that is started."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Blow(Enum):
    """What befalls an attempt, its worker, its machine, or a message of it."""

    RAISE = "the attempt raises"
    KILL = "the worker dies"
    MACHINE = "the machine is lost, and comes back"
    RACK = "a rack is lost, and comes back"
    SLOW = "the machine is slow for a while"
    HANG = "the attempt hangs"
    DELAY = "the result is late"
    DUPLICATE = "the result comes twice"
    DEAF = "a cancel comes late"
    DRIVER = "the driver dies"


@dataclass(frozen=True)
class Storm:
    """Which blow falls on which attempt, counted in the order in which they are started.

    Parameters
    ----------
    blows : mapping of int to Blow
    seed : int
        Of the chance within blows, such as how late a result is.
    """

    blows: dict[int, Blow]
    seed: int = 0

    @classmethod
    def calm(cls) -> Storm:
        """Return the storm that does nothing."""
        return cls({})

    @classmethod
    def draw(
        cls, seed: int, blows: int, attempts: int, kinds: Iterable[Blow] = tuple(Blow)
    ) -> Storm:
        """Draw so many blows over about so many attempts.

        Parameters
        ----------
        seed : int
        blows : int
        attempts : int
            The range of attempts that may be struck.
        kinds : iterable of Blow
        """
        chance = random.Random(seed)
        struck = chance.sample(range(attempts), min(blows, attempts))
        drawn = list(kinds)
        return cls({number: chance.choice(drawn) for number in struck}, seed)
