"""What an attempt is to a virtual machine: how long it takes there, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mr.cluster.local import Readers, run
from mr.cluster.simulated.world import Machine, World
from mr.config import Config
from mr.engine import Work
from mr.events import AttemptFailed, AttemptFinished

Ended = AttemptFinished | AttemptFailed


class Load(Protocol):
    """The work of attempts, for real or at its price alone."""

    def seconds(self, work: Work, machine: Machine, world: World) -> float:
        """Return how long an attempt takes that begins now, and use the machine's lines."""

    def run(self, work: Work, strike: Callable[[], None] | None) -> tuple[Ended, int]:
        """Return how an attempt ends, and the bytes that are sent for it."""


class Executed:
    """Attempts that run in this process; their time goes by the bytes of their blocks.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        self._readers = Readers(config)

    def seconds(self, work: Work, machine: Machine, world: World) -> float:
        """Add up the point's way, the reading of what is not in memory, and the arithmetic."""
        task, round_ = work.attempt.task, work.round
        nbytes = sum(array.nbytes for array in round_.point.values())
        read, computed = world.point_seconds(machine, round_, nbytes), 0.0
        for block in round_.program.dataset.blocks[task.low : task.high]:
            if not world.recalls(machine, block.index, block.nbytes):
                read = max(read, world.fetch_seconds(machine, block.index, block.nbytes))
            computed += world.compute_seconds(machine, block.nbytes / world.spec.compute)
        return read + computed

    def run(self, work: Work, strike: Callable[[], None] | None) -> tuple[Ended, int]:
        """Run an attempt."""
        event = run(work, self._readers, strike)
        payload = event.payload if isinstance(event, AttemptFinished) else None
        return event, len(payload) if payload else 0
