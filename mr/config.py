"""`Config`: the settings of a run, from arguments and ``GRADFOLD_*`` variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mr.errors import UsageError
from mr.storage.cache import BlockCache

_UNITS = {"": 1, "b": 1} | {
    unit + suffix: 1 << 10 * power
    for power, unit in enumerate("kmgt", 1)
    for suffix in ("", "b", "ib")
}


def parse_size(text: str | int) -> int:
    """Return a number of bytes from ``16MB``, ``64k``, ``1.5 GiB`` or ``4096``.

    Units are powers of 1024.

    Raises
    ------
    UsageError
        If it is not a size.
    """
    plain = str(text).strip().lower()
    number = plain.rstrip("kmgtib")
    try:
        size = float(number) * _UNITS[plain.removeprefix(number)]
    except (KeyError, ValueError):
        raise UsageError(f"{text!r} is not a size", remedy="write 16MB, 64k or 4096") from None
    if not 1 <= size < 1 << 60:
        raise UsageError(f"{text!r} is not a positive size")
    return int(size)


def default_workers() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Config:
    """Settings that say how a run is carried out, none of which changes its result.

    Parameters
    ----------
    workers : int
        Number of workers; by default the number of processors.
    cache_dir : Path
        Where decoded blocks are kept.
    cache_size : int
        Bytes that they may take.
    """

    workers: int = field(default_factory=default_workers)
    cache_dir: Path = Path()
    cache_size: int = 16 << 30

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.workers < 1:
            raise UsageError(f"{self.workers} workers are too few", remedy="use 1 or more")

    @classmethod
    def from_environment(
        cls, workers: int | None = None, environment: Mapping[str, str] = os.environ
    ) -> Config:
        """Make the settings from ``GRADFOLD_CACHE``, ``GRADFOLD_CACHE_SIZE``, ``GRADFOLD_WORKERS``.

        Parameters
        ----------
        workers : int, optional
            Takes precedence over the variable.
        environment : mapping
        """
        home = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradfold"
        if workers is None and (text := environment.get("GRADFOLD_WORKERS")):
            try:
                workers = int(text)
            except ValueError:
                what = f"GRADFOLD_WORKERS is {text!r}, which is not a number"
                raise UsageError(what, remedy="set it to 1 or more, or unset it") from None
        return cls(
            workers=default_workers() if workers is None else workers,
            cache_dir=Path(environment.get("GRADFOLD_CACHE") or home / "blocks"),
            cache_size=parse_size(environment.get("GRADFOLD_CACHE_SIZE") or 16 << 30),
        )

    def cache(self) -> BlockCache:
        """Return the cache of decoded blocks."""
        return BlockCache(self.cache_dir, self.cache_size)
