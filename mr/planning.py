"""What passes cost, as values: measured here or told by a run, and what they would cost elsewhere.

Formulas and their limits are in ``docs/simulation.md``. Nothing here measures or simulates:
`mr.measure` does the one, `mr.cluster.simulated.predict` the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median

from mr.storage.blocks import default_block_size

ROUNDS = ("fit", "pass")
"""Purposes of the passes that are repeated; what comes before them prepares."""


@dataclass(frozen=True, slots=True)
class Span:
    """An attempt that returned.

    Parameters
    ----------
    low, high : int
        Its blocks.
    nbytes : int
        Of them on storage.
    seconds : float
    returned : int
        Bytes of its statistic.
    """

    low: int
    high: int
    nbytes: int
    seconds: float
    returned: int = 0


@dataclass
class Sample:
    """A pass that was made, with its attempts.

    Parameters
    ----------
    purpose : str
    point_bytes : int
    spans : list of Span
    handling : float
        Seconds of the driver for each result: scheduling, decoding, merging.
    between : float
        Seconds of the driver after the pass: the solver.
    held : float
        Bytes in memory for each byte on storage, of the blocks as the pass reads them.
    """

    purpose: str
    point_bytes: int = 0
    spans: list[Span] = field(default_factory=list)
    handling: float = 0.0
    between: float = 0.0
    held: float = 1.0

    @property
    def rate(self) -> float:
        """Seconds of a core for each byte of a block on storage."""
        return sum(s.seconds for s in self.spans) / max(1, sum(s.nbytes for s in self.spans))

    @property
    def returned(self) -> int:
        """Bytes of a statistic, in the middle of those returned."""
        return int(median(span.returned for span in self.spans)) if self.spans else 0


@dataclass(frozen=True)
class PassCost:
    """What a pass costs.

    Parameters
    ----------
    purpose : str
    rate : float
        Seconds of a core for each byte of a block on storage.
    fresh : float
        More such seconds, where the machine has not got the block decoded yet.
    returned : int
        Bytes of a task's statistic.
    point_bytes : int
        Sent to each machine.
    between : float
        Seconds of the driver after the pass.
    rates : mapping of int to float
        Rates of blocks, where they are known one by one.
    """

    purpose: str
    rate: float
    fresh: float = 0.0
    returned: int = 0
    point_bytes: int = 0
    between: float = 0.0
    rates: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Costs:
    """What a run costs: passes in their order, the last of which may be repeated.

    Parameters
    ----------
    passes : tuple of PassCost
        Those that prepare, the first round, a later round (if there was one).
    held : float
        Bytes in memory for each byte on storage, of the blocks as rounds read them.
    handling : float
        Seconds of the driver for each result.
    """

    passes: tuple[PassCost, ...]
    held: float = 1.0
    handling: float = 0.0

    @property
    def round(self) -> PassCost:
        """A later round."""
        return self.passes[-1]


def costs(samples: Sequence[Sample]) -> Costs:
    """Draw the costs of a run from its first passes, or those of a few of its blocks.

    Later rounds are taken as one, at their median: what disturbs one of them is no cost of all.
    """
    prelude = [sample for sample in samples if sample.purpose not in ROUNDS]
    rounds = [sample for sample in samples if sample.purpose in ROUNDS]
    ahead = sum(sample.rate for sample in prelude)
    freshly = accumulate((sample.rate for sample in prelude), initial=0.0)
    passes = [
        _cost(sample, sample.rate, fresh) for sample, fresh in zip(prelude, freshly, strict=False)
    ]
    if rounds:
        first, later = rounds[0], rounds[1:] or rounds[:1]
        rate = median(sample.rate for sample in later)
        passes.append(_cost(first, first.rate, ahead))
        passes.append(_cost(later[-1], rate, ahead + max(0.0, first.rate - rate)))
    last = rounds or prelude
    return Costs(tuple(passes), last[-1].held, median(sample.handling for sample in last))


def sizes(nbytes: int, scale: float, block_size: int | None) -> tuple[int, ...]:
    """Return the sizes of blocks that data of so many bytes, times a scale, is cut into.

    Parameters
    ----------
    nbytes : int
    scale : float
    block_size : int, optional
        By default what it is for so much data.
    """
    total = max(1, round(nbytes * scale))
    size = block_size or default_block_size(total)
    whole, rest = divmod(total, size)
    return (size,) * whole + ((rest,) if rest else ())


def retold(samples: Sequence[Sample]) -> Costs:
    """Return the costs of a run pass by pass, each block at the rate that it was mapped at."""
    freshly = accumulate((sample.rate for sample in samples), initial=0.0)
    passes = (
        _cost(sample, sample.rate, fresh if sample.purpose not in ROUNDS else 0.0, _rates(sample))
        for sample, fresh in zip(samples, freshly, strict=False)
    )
    return Costs(tuple(passes))


def _cost(
    sample: Sample, rate: float, fresh: float, rates: Mapping[int, float] | None = None
) -> PassCost:
    return PassCost(
        sample.purpose,
        rate,
        fresh,
        sample.returned,
        sample.point_bytes,
        sample.between,
        rates or {},
    )


def _rates(sample: Sample) -> dict[int, float]:
    return {
        block: span.seconds / max(1, span.nbytes)
        for span in sample.spans
        for block in range(span.low, span.high)
    }


@dataclass(frozen=True)
class PassPlan:
    """What one pass takes on a cluster.

    Parameters
    ----------
    purpose : str
    seconds : float
    use : mapping of str to float
        Share of the time that each resource is at work: the busiest disk or link of a machine,
        all cores, the driver and its link.
    disk_bytes, network_bytes, memory_bytes : float
        Read from disks, sent over links, found in memory.
    """

    purpose: str
    seconds: float
    use: Mapping[str, float]
    disk_bytes: float
    network_bytes: float
    memory_bytes: float

    @property
    def slowest(self) -> str:
        """The resource that is at work for most of the time."""
        return max(self.use, key=lambda name: self.use[name])


@dataclass(frozen=True)
class Plan:
    """What a run takes on a cluster.

    Parameters
    ----------
    passes : tuple of PassPlan
        Those that were simulated: all, or up to the first of the repeated rounds.
    rounds : int
        Rounds in all; the last pass stands for those that were not simulated.
    repeats : int
        How often the last pass is made.
    start, between : float
        Seconds until workers are up, and of the driver between passes in all.
    workers : int
    memory_per_machine : float
        The most that one machine holds of blocks.
    memory_per_worker : float
        Beside that: the block that is decoded, point, statistics, the interpreter.
    failure_seconds : float or None
        What one lost machine adds, on the average.
    spans : tuple
        Attempts for a picture: (machine, pass, began, ended).
    """

    passes: tuple[PassPlan, ...]
    rounds: int
    repeats: int
    start: float
    between: float
    workers: int
    memory_per_machine: float
    memory_per_worker: float
    failure_seconds: float | None = None
    spans: tuple[tuple[int, int, float, float], ...] = ()

    @property
    def last(self) -> PassPlan:
        """The last pass: a later round."""
        return self.passes[-1]

    @property
    def seconds(self) -> float:
        """Seconds of the whole run, without failures."""
        simulated = sum(one.seconds for one in self.passes[:-1])
        return self.start + simulated + self.repeats * self.last.seconds + self.between

    def total(self, name: str) -> float:
        """Return a count of bytes over the whole run."""
        counted: float = sum(getattr(one, name) for one in self.passes[:-1])
        return counted + self.repeats * float(getattr(self.last, name))

    def cost(self, price: float, seconds: float | None = None) -> float:
        """Return what the workers cost, each a core, at a price per core and hour."""
        return self.workers * price * (self.seconds if seconds is None else seconds) / 3600

    def with_failures(self, machines: int, a_day: float) -> float:
        """Return the expected seconds of the run where machines are lost at a rate.

        With r machines lost a second and e seconds added by each, t seconds of undisturbed
        work take t / (1 - r e): what failures add may be struck too. Infinite where they
        come faster than they are made good.
        """
        rate = machines * a_day / 86400
        left = 1 - rate * (self.failure_seconds or 0.0)
        return self.seconds / left if left > 0 else float("inf")
