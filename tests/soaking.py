"""What a process holds: descriptors, threads, children, maps, temporary files, memory."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Held:
    """What this process holds at a moment; `counted` again later, it must not be more.

    Parameters
    ----------
    descriptors, threads, children : tuple of str
    maps : tuple of str
        Files of ours that are mapped, those that are removed included.
    files : tuple of str
        Below the scratch and temporary directories.
    rss : int
        Bytes of memory.
    """

    descriptors: tuple[str, ...]
    threads: tuple[str, ...]
    children: tuple[str, ...]
    maps: tuple[str, ...]
    files: tuple[str, ...]
    rss: int

    def more_than(self, before: Held) -> dict[str, list[str]]:
        """Return what there is more of than before, by kind: of what, and how much."""
        grown = {}
        for field in fields(self):
            if field.name == "rss":
                continue
            now, then = list(getattr(self, field.name)), list(getattr(before, field.name))
            if len(now) > len(then):
                for name in then:
                    if name in now:
                        now.remove(name)
                grown[field.name] = now
        return grown


def counted(*directories: Path) -> Held:
    """Return what this process holds now.

    Parameters
    ----------
    *directories : Path
        Where temporary files would be.
    """
    gc.collect()
    process = psutil.Process()
    return Held(
        descriptors=tuple(sorted(_descriptors())),
        threads=tuple(sorted(thread.name for thread in threading.enumerate())),
        children=tuple(str(child) for child in process.children(recursive=True)),
        maps=tuple(sorted(_maps())),
        files=tuple(sorted(str(p) for base in directories for p in base.rglob("*"))),
        rss=process.memory_info().rss,
    )


def _descriptors() -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of this very listing
            found.append(str(link.readlink()))
    return found


def _maps() -> list[str]:
    """Return the mapped files that we wrote: not libraries, nor numba's cache."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    names = [line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6]
    return [name for name in names if name.startswith("/") and ".gfc" in name]
