"""`Recollection`: what a driver keeps from one pass to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

from mr.badblocks import Skipped
from mr.exclude import Exclusions
from mr.policies import Policies
from mr.reduce import Node


@dataclass
class Recollection:
    """What one pass teaches the next; the driver keeps it.

    Parameters
    ----------
    policies : Policies
    affinity : dict of node to worker
        Who did a node last.
    vital : bool
        Whether workers give signs of life.
    """

    policies: Policies = field(default_factory=Policies)
    affinity: dict[Node, str] = field(default_factory=dict)
    vital: bool = False
    exclusions: Exclusions = field(init=False)
    skipped: Skipped = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing excluded and nothing skipped."""
        self.exclusions = Exclusions(self.policies.exclusion)
        self.skipped = Skipped(self.policies.bad_blocks)
