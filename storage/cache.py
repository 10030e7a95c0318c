"""`BlockCache`: decoded blocks as mapped columns on local disk, bounded in bytes.

The page cache is then the one in-memory cache of all workers on the machine,
gives way under pressure, and survives a worker's death. Nothing here is a
source of truth: any file may vanish at any time and is made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mr.storage.container import Array, encode, map_file
from mr.storage.errors import CorruptFile

Entry = tuple[dict[str, Any], dict[str, Array]]
SUFFIX = ".gfc"

log = logging.getLogger(__name__)
_warned: set[Path] = set()


@dataclass
class BlockCache:
    """A directory of entries, each written once under a key that says all it depends on.

    Parameters
    ----------
    directory : Path
        Made when first needed.
    limit : int
        Bytes; the least recently used entries go when it is passed. An entry
        that is mapped stays readable after it went.
    """

    directory: Path
    limit: int
    _verified: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _room: int = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave what this process has verified behind: each verifies for itself."""
        return {"directory": self.directory, "limit": self.limit, "_verified": {}, "_room": 0}

    def get(self, key: str) -> Entry | None:
        """Return the entry under ``key``, or None; a damaged one is removed and is None.

        Checksums are verified the first time this process maps an entry, and again
        where the file was written to since.
        """
        path = self._path(key)
        try:
            identity = _identity(path)
            known = self._verified.get(key) == identity
            entry = map_file(path, verify=not known)
        except CorruptFile:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        except OSError:  # most often: there is none
            return None
        if not known:
            self._verified[key] = identity
            _mark_used(path, identity)
        return entry

    def put(self, key: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write an entry; readers see it whole or not at all.

        A full disk is not an error: the entry is then not cached, as is one that is
        larger than the limit; the log says so once.
        """
        buffers = encode(meta, arrays)
        size = sum(map(len, buffers))
        if size > self.limit:
            self._warn(f"{size} bytes are more than the cache may take ({self.limit})")
            return
        try:
            self._make_room(size)
            write_whole(self._path(key), buffers)
        except FileNotFoundError:
            pass  # another process made room meanwhile, of what was being written
        except OSError as error:
            self._warn(str(error))

    def get_or_make(self, key: str, make: Callable[[], Entry]) -> Entry:
        """Return the entry under ``key``, made and written if there is none."""
        entry = self.get(key)
        if entry is None:
            made = make()
            self.put(key, *made)
            entry = self.get(key) or made  # mapped, so that the heap copy can go
        return entry

    def _warn(self, why: str) -> None:
        if self.directory not in _warned:
            _warned.add(self.directory)
            log.warning(
                "Blocks are decoded again in each pass, since they cannot be cached in %s: %s. "
                "GRADFOLD_CACHE names another directory, GRADFOLD_CACHE_SIZE another limit.",
                self.directory,
                why,
            )

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / (key + SUFFIX)

    def _make_room(self, size: int) -> None:
        # The directory is scanned once a sixteenth of the limit, not at each entry.
        self._room -= size
        if self._room >= 0:
            return
        files = sorted(_used(self.directory))
        excess = sum(nbytes for _, nbytes, _ in files) + size - self.limit
        for _, nbytes, path in files:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= nbytes
        self._room = min(self.limit // 16, max(0, -excess))


def _identity(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced or written to: inode, size, time of the last."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _mark_used(path: Path, identity: tuple[int, int, int]) -> None:
    """Mark a file as used lately by its time of access, if it was not written to meanwhile."""
    with contextlib.suppress(OSError):
        if _identity(path) == identity:
            os.utime(path, ns=(time.time_ns(), identity[2]))


def _used(directory: Path) -> list[tuple[int, int, Path]]:
    found = []
    for path in directory.glob("*/*"):  # also what writers left that were killed
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            found.append((max(stat.st_atime_ns, stat.st_mtime_ns), stat.st_size, path))
    return found


def write_whole(path: Path, buffers: list[bytes | memoryview]) -> None:
    """Write a local file that others see whole or not at all; not synced to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(buffers)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
