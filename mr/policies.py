"""`Policies`: everything the scheduler decides by, each part in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from mr.badblocks import BadBlocks
from mr.exclude import Exclusion
from mr.locality import Locality
from mr.retry import RetryPolicy
from mr.speculate import Speculation


@dataclass(frozen=True, slots=True)
class Policies:
    """How tasks are placed, repeated and given up.

    Parameters
    ----------
    retry : RetryPolicy
    locality : Locality
    speculation : Speculation, optional
        None starts no second attempt while the first runs.
    exclusion : Exclusion
    bad_blocks : BadBlocks
    silence : float
        Seconds without a sign of life after which a busy worker is held to be lost, on
        engines whose workers give such signs: a stopped process, a machine cut off.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    locality: Locality = field(default_factory=Locality)
    speculation: Speculation | None = field(default_factory=Speculation)
    exclusion: Exclusion = field(default_factory=Exclusion)
    bad_blocks: BadBlocks = field(default_factory=BadBlocks)
    silence: float = 30.0
