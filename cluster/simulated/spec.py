"""`ClusterSpec`: the machines of a virtual cluster, and how fast they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from mr.config import parse_size
from mr.errors import UsageError

_BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def parse_rate(text: str) -> float:
    """Return bytes a second from ``10Gbit`` (decimal) or ``500MB`` (powers of 1024).

    Raises
    ------
    UsageError
        If it is not a rate.
    """
    lower = text.strip().lower().removesuffix("/s")
    for unit, scale in _BITS.items():
        if lower.endswith(unit):
            try:
                return float(lower.removesuffix(unit)) * scale / 8
            except ValueError:
                raise UsageError(f"{text!r} is not a rate", remedy="write 10Gbit or 1GB") from None
    return float(parse_size(lower))


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster of equal machines; times in seconds, sizes in bytes, rates in bytes a second.

    Parameters
    ----------
    machines, cores : int
        Each core is one worker.
    racks : int
        Machines are dealt to racks in turn.
    replicas : int
        Machines that hold a block; 0 for storage apart from the machines.
    memory : float
        Of a machine; what fits of the blocks it read is read from memory the next time.
    disk, network : float
        Read rate of a machine's disks, and of its link.
    compute : float
        Bytes of blocks that a core maps in a second.
    latency : float
        Of a message.
    driver : float
        Seconds of the driver that a message takes; what comes meanwhile waits.
    start : float
        Until a worker is up.
    notice : float
        Until a lost machine is missed; a dead process is noticed at once.
    jitter : float
        Attempts take up to this share longer, by chance.
    seed : int
        Of that chance.
    """

    machines: int = 10
    cores: int = 4
    racks: int = 1
    replicas: int = 3
    memory: float = 16.0 * (1 << 30)
    disk: float = 500e6
    network: float = 1.25e9
    compute: float = 1e9
    latency: float = 0.0005
    driver: float = 0.0
    start: float = 1.0
    notice: float = 10.0
    jitter: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("machines", "cores", "racks", "disk", "network", "compute"):
            if getattr(self, name) <= 0:
                raise UsageError(f"A cluster with {name}={getattr(self, name)} cannot work")

    @classmethod
    def parse(cls, text: str) -> ClusterSpec:
        """Read ``machines=100,cores=4,network=10Gbit``; what is not named keeps its default.

        Raises
        ------
        UsageError
            If a name is not known, or a value cannot be read.
        """
        values: dict[str, Any] = {}
        readers = {field.name: _reader(field.name) for field in fields(cls)}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            if name not in readers:
                raise UsageError(
                    f"A cluster has no {name!r}", remedy=f"it has {', '.join(readers)}"
                )
            try:
                values[name] = readers[name](value)
            except ValueError:
                raise UsageError(f"{value!r} is no value for {name}") from None
        return cls(**values)


def _reader(name: str) -> Callable[[str], float]:
    if name in ("disk", "network", "compute"):
        return parse_rate
    if name == "memory":
        return parse_size
    return int if name in ("machines", "cores", "racks", "replicas", "seed") else float
