"""Measures what passes cost: a few blocks here, or the attempts that a run's events tell of."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mr.demo import own_cache
from mr.engine import Round
from mr.events import AttemptFinished, AttemptStarted, Event, PassFinished, PassStarted
from mr.history import Line
from mr.planning import ROUNDS, Sample, Span
from mr.storage.blocks import Block
from mr.storage.columns import Columns
from mr.storage.dataset import Dataset
from mr.storage.errors import Place
from mr.storage.source import Source
from mr.task import Attempt

MEASURED_ROUNDS = 4
"""The first, which touches what the ones after it find at hand, and three to take the middle of."""


@dataclass(frozen=True)
class Thinned:
    """A source of which some blocks alone are there, evenly spaced.

    Parameters
    ----------
    source : Source
    count : int
        Blocks, at most.
    block_size : int
        Of the whole dataset.
    """

    source: Source
    count: int
    block_size: int

    @property
    def nbytes(self) -> int:
        """Size on storage of those blocks."""
        return sum(block.nbytes for block in self.blocks(self.block_size))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns."""
        return self.source.names

    @property
    def costly(self) -> bool:
        """Whether decoded blocks are worth caching."""
        return self.source.costly

    @property
    def decoder(self) -> str:
        """Changes whenever the same bytes would be decoded to other columns."""
        return self.source.decoder

    def blocks(self, block_size: int) -> tuple[Block, ...]:
        """Return the blocks under indexes of their own."""
        cut = self.source.blocks(block_size)
        count = min(self.count, len(cut))
        places = [(2 * i + 1) * len(cut) // (2 * count) for i in range(count)]
        return tuple(replace(cut[place], index=i) for i, place in enumerate(places))

    def read(self, block: Block) -> Columns:
        """Decode one block."""
        return self.source.read(block)

    def place(self, ordinal: int, position: int) -> Place:
        """Say where a record is."""
        return self.source.place(ordinal, position)


class _Enough(BaseException):
    """All that was wanted is measured."""


@dataclass
class Gauge:
    """An observer and listener that times passes on the engine `inline`.

    There one attempt runs at a time, and what passes between two of them is the driver's work.

    Parameters
    ----------
    cache : Path
        Where blocks are cached, which grows by what passes read later.
    nbytes : int
        Of the dataset.
    """

    cache: Path
    nbytes: int
    samples: list[Sample] = field(default_factory=list)
    _sizes: dict[int, int] = field(default_factory=dict)
    _cached: int = 0
    _since: float = 0.0
    _gaps: list[float] = field(default_factory=list)

    def observe(self, purpose: str, round_: Round) -> None:
        """Begin a sample; end the run once there are enough of them."""
        self._solved()
        if sum(sample.purpose in ROUNDS for sample in self.samples) == MEASURED_ROUNDS:
            raise _Enough
        cached = _size(self.cache)
        if self.samples and cached > self._cached:
            self.samples[-1].held = (cached - self._cached) / max(1, self.nbytes)
        held = self.samples[-1].held if self.samples else 1.0
        self._cached = cached
        self._sizes = {block.index: block.nbytes for block in round_.program.dataset.blocks}
        self.samples.append(Sample(purpose, held=held))

    def __call__(self, event: Event) -> None:
        """Take down when an attempt begins and ends."""
        now = time.perf_counter()
        match event:
            case PassStarted():
                self.samples[-1].point_bytes = event.point_bytes
                self._gaps = []
            case AttemptStarted():
                self._gaps.append(now - self._since)
            case AttemptFinished(attempt=attempt, payload=payload):
                nbytes = 0 if payload is None else memoryview(payload).nbytes
                span = _span(attempt, self._sizes, now - self._since, nbytes)
                self.samples[-1].spans.append(span)
            case PassFinished():
                self._gaps.append(now - self._since)
                # The first gap of a pass is its beginning: kernels may have been compiled in it.
                self.samples[-1].handling = sum(self._gaps[1:]) / max(1, len(self._gaps) - 1)
        self._since = time.perf_counter()

    def _solved(self) -> None:
        if self.samples and self.samples[-1].purpose in ROUNDS:
            self.samples[-1].between = time.perf_counter() - self._since


def measure(
    dataset: Dataset, call: Callable[[Dataset, Gauge], object], blocks: int
) -> list[Sample]:
    """Make the first passes of a call over a few blocks, and return what they cost.

    Blocks are decoded afresh, in a cache of their own.

    Parameters
    ----------
    dataset : Dataset
    call : callable
        Runs a job on a dataset with a gauge as observer and listener, on the engine ``inline``.
    blocks : int
        How many blocks to measure on.
    """
    size = dataset.block_size
    few = Dataset.of(Thinned(dataset.source, blocks, size), size)
    with tempfile.TemporaryDirectory(prefix="gradfold-plan-") as name, own_cache(Path(name)):
        gauge = Gauge(Path(name), few.source.nbytes)
        with suppress(_Enough):
            call(few, gauge)
        return [sample for sample in gauge.samples if sample.spans]


def told_samples(lines: Iterable[Line], blocks: Sequence[Block]) -> list[Sample]:
    """Return the passes that a run's events tell of, with the attempts that returned.

    Where blocks are not known, each counts as one byte.

    Parameters
    ----------
    lines : iterable of mapping
        Events, as `mr.history.events` yields them.
    blocks : sequence of Block
    """
    sizes = {block.index: block.nbytes for block in blocks}
    passes: dict[int, Sample] = {}
    begun: dict[str, float] = {}
    for line in lines:
        match line:
            case {"event": "PassStarted", "number": number, "purpose": purpose}:
                passes[number] = Sample(purpose, line.get("point_bytes", 0))
            case {"event": "AttemptStarted", "attempt": name, "time": when}:
                begun[name] = when
            case {"event": "AttemptFinished", "attempt": name, "time": when} if name in begun:
                attempt = Attempt.parse(name)
                span = _span(attempt, sizes, when - begun[name], line.get("nbytes", 0))
                passes[attempt.task.pass_number].spans.append(span)
    return [sample for _, sample in sorted(passes.items()) if sample.spans]


def resident() -> int:
    """Return the bytes that an interpreter with our packages takes: those of this process now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 200 << 20
    return pages * os.sysconf("SC_PAGE_SIZE")


def _span(attempt: Attempt, sizes: Mapping[int, int], seconds: float, returned: int) -> Span:
    low, high = attempt.task.node
    nbytes = sum(sizes.get(block, 1) for block in range(low, high))
    return Span(low, high, nbytes, seconds, returned)


def _size(directory: Path) -> int:
    found: Iterable[Any] = directory.glob("*/*")
    return sum(path.stat().st_size for path in found)
