"""Work that is only paid for: no block is read, nothing mapped, each task takes its price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Self

from mr.cluster.simulated.load import Ended
from mr.cluster.simulated.world import Machine, World
from mr.engine import Work
from mr.errors import GradfoldError
from mr.events import AttemptFailed, AttemptFinished
from mr.job import FoldJob
from mr.planning import PassCost
from mr.solver import Point
from mr.statistic import Array, Statistic
from mr.storage.blocks import Block, Piece
from mr.storage.columns import Columns
from mr.storage.errors import NOWHERE, Place
from mr.storage.reader import BlockView


class Weightless(Statistic):
    """A statistic that holds nothing: what it would weigh is said by the pass' price."""

    def arrays(self) -> Mapping[str, Array]:
        """Return nothing."""
        return {}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return one."""
        del arrays
        return cls()

    @classmethod
    def decode(cls, buffer: bytes | memoryview) -> Self:
        """Return one, unread: there are as many as tasks."""
        del buffer
        return cls()

    def merge(self, other: Self) -> Self:
        """Return one of them."""
        del other
        return self


_PAYLOAD = Weightless().encode()


class Priced(FoldJob):
    """A pass at its price.

    Parameters
    ----------
    cost : PassCost
    """

    statistic = Weightless

    def __init__(self, cost: PassCost) -> None:
        self.cost = cost

    def map(self, block: BlockView, point: Point) -> NoReturn:
        """Refuse: there is no data."""
        raise NotImplementedError


class AtCost:
    """The load of priced passes: lines are used and time is taken as if they ran.

    Parameters
    ----------
    held : float
        Bytes in memory for each byte on storage, of decoded blocks.
    """

    def __init__(self, held: float) -> None:
        self._held = held

    def seconds(self, work: Work, machine: Machine, world: World) -> float:
        """Wait for the point and the blocks, then compute."""
        job, task = work.round.program.job, work.attempt.task
        if not isinstance(job, Priced):
            raise TypeError(f"{type(job).__name__} has no price")
        cost = job.cost
        read, computed = world.point_seconds(machine, work.round, cost.point_bytes), 0.0
        for block in work.round.program.dataset.blocks[task.low : task.high]:
            nbytes, rate = block.nbytes, cost.rates.get(block.index, cost.rate)
            waited, fresh = self._read(machine, block.index, nbytes, world)
            read = max(read, waited)
            computed += nbytes * (rate + cost.fresh if fresh else rate)
        return read + world.compute_seconds(machine, computed)

    def run(self, work: Work, strike: Callable[[], None] | None) -> tuple[Ended, int]:
        """Return a statistic of no substance, sent as the bytes that it would have."""
        try:
            if strike is not None:
                strike()
        except GradfoldError as error:
            return AttemptFailed(work.attempt, work.worker, error), 0
        job = work.round.program.job
        nbytes = job.cost.returned if isinstance(job, Priced) else 0
        return AttemptFinished(work.attempt, work.worker, _PAYLOAD), nbytes

    def _read(self, machine: Machine, block: int, nbytes: int, world: World) -> tuple[float, bool]:
        """Return the seconds until a block is there, and whether it has to be decoded first."""
        held = nbytes * self._held
        fresh = block not in machine.kept
        machine.kept.add(block)
        if world.recalls(machine, block, held) and not fresh:
            return 0.0, False
        if fresh:
            return world.fetch_seconds(machine, block, nbytes), True
        return world.disk_seconds(machine, held), False


@dataclass(frozen=True)
class Imagined:
    """A source of equal blocks that are nowhere.

    Parameters
    ----------
    sizes : tuple of int
        Bytes of each block.
    machines, replicas : int
        Blocks are dealt to machines in turn, as `World` has it.
    """

    sizes: tuple[int, ...]
    machines: int
    replicas: int
    names: tuple[str, ...] = ()
    costly: bool = True
    decoder: str = "imagined"

    @property
    def nbytes(self) -> int:
        """Size of all."""
        return sum(self.sizes)

    def blocks(self, block_size: int) -> tuple[Block, ...]:
        """Return the blocks."""
        del block_size
        return tuple(
            Block(i, (Piece("imagined:", 0, i, i + 1, size),), str(i), self._hosts(i))
            for i, size in enumerate(self.sizes)
        )

    def read(self, block: Block) -> Columns:
        """Refuse: there is no data."""
        raise NotImplementedError

    def place(self, ordinal: int, position: int) -> Place:
        """Return nowhere."""
        del ordinal, position
        return NOWHERE

    def _hosts(self, block: int) -> tuple[str, ...]:
        held = min(self.replicas, self.machines)
        return tuple(f"m{(block + copy) % self.machines}" for copy in range(held))
