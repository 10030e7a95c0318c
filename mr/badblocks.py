"""Whether a block that cannot be read as data fails the run, or is left out and accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mr.errors import DataError, GradfoldError
from mr.storage.dataset import parse_skip


@dataclass(frozen=True, slots=True)
class BadBlocks:
    """How many blocks may be left out.

    Parameters
    ----------
    most : int
        0 fails the run at the first.
    """

    most: int = 0

    @classmethod
    def parse(cls, text: str) -> BadBlocks:
        """Read ``fail`` or ``skip:MAX``.

        Raises
        ------
        UsageError
            If it is something else.
        """
        return cls(parse_skip(text))


@dataclass
class Skipped:
    """The blocks that a run leaves out; kept over its passes.

    A block is left out only for an error in its data, and only once a second
    attempt met the very same one: a read that went wrong by chance is no reason.

    Parameters
    ----------
    policy : BadBlocks
    """

    policy: BadBlocks = field(default_factory=BadBlocks)
    blocks: dict[int, GradfoldError] = field(default_factory=dict)
    _suspected: dict[int, str] = field(default_factory=dict)

    def consider(self, error: GradfoldError) -> bool:
        """Take in an attempt's error; return whether the task is to be tried again for it."""
        block = error.place.block
        if not isinstance(error, DataError) or block is None:
            return False
        if block in self.blocks:  # met by a copy that began before the block was left out
            return True
        if len(self.blocks) >= self.policy.most:
            return False
        shown = f"{type(error).__name__} {error.what} {replace(error.place, attempt=None)}"
        if self._suspected.get(block) == shown:
            self.blocks[block] = error
        self._suspected[block] = shown
        return True

    def within(self, low: int, high: int) -> frozenset[int]:
        """Return the blocks of ``[low, high)`` that are left out."""
        return frozenset(block for block in self.blocks if low <= block < high)

    def share(self, sizes: Mapping[int, int]) -> float:
        """Return the share of the bytes that is left out, of blocks of these sizes."""
        return sum(sizes[block] for block in self.blocks) / max(1, sum(sizes.values()))
