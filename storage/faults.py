"""A storage that fails chosen operations: ``faulty://NAME/path``.

A `World` wraps another filesystem, in memory or a local directory, as one of the kinds of
storage that there are (`POSIX`, `MEMORY`, `S3`, `PLAIN`), counts what is asked of it, and
lets a plan strike operations by their number. A kill is a death of the process as storage
sees it: nothing after it is carried out, no clean-up either, until `World.restart`.

    >>> from mr.storage.atomic import write_bytes
    >>> with faulty(S3) as world:
    ...     write_bytes(f"{world.url}/a", b"whole")
    ...     world.restart({1: Fault.KILL})
    ...     try:
    ...         write_bytes(f"{world.url}/a", b"never there")
    ...     except Killed:
    ...         world.restart()
    ...     world.fs().cat_file("/a")
    b'whole'
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from threading import RLock
from typing import Any, TypeVar

import fsspec

from mr.storage import capabilities
from mr.storage.capabilities import Capabilities

T = TypeVar("T")


class Killed(BaseException):
    """The process died at an operation, as far as the storage can tell."""


class Fault(Enum):
    """What becomes of an operation."""

    FAIL = "raises; nothing was done"
    TRANSIENT = "raises what is worth a retry; nothing was done"
    UNACKNOWLEDGED = "was done, and raises what is worth a retry"
    TORN = "half was written, where the storage writes in halves; raises"
    KILL = "the process dies before it"
    KILL_AFTER = "the process dies once it was done"
    KILL_TORN = "the process dies half way"

    @property
    def kills(self) -> bool:
        """Whether nothing comes after."""
        return self.name.startswith("KILL")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a storage behaves.

    Parameters
    ----------
    name : str
    promises : Capabilities
    whole_puts : bool
        A file appears with all of its content; else it is there, empty, from its opening.
    directories : bool
        Directories are made and removed; else a name is all that there is.
    """

    name: str
    promises: Capabilities
    whole_puts: bool = True
    directories: bool = False


POSIX = Kind(
    "posix",
    Capabilities(atomic_rename=True, exclusive_create=True),
    whole_puts=False,
    directories=True,
)
"""Local disks and HDFS: atomic renames, of directories too, and files that grow."""
MEMORY = Kind("memory", Capabilities(atomic_rename=False, exclusive_create=True), directories=True)
"""As ``memory://``."""
S3 = Kind("s3", Capabilities(atomic_rename=False, exclusive_create=True))
"""Object stores: no renames, no directories, whole puts, consistent lists, put-if-absent."""
PLAIN = Kind("plain", Capabilities(atomic_rename=False))
"""Object stores, or drivers of them, without put-if-absent."""


class World:
    """One storage, its count of operations, and the plan for them.

    Attributes
    ----------
    log : list of str
        The operations since the last restart, in words.
    dead : bool
        Whether a kill struck.
    """

    def __init__(self, name: str, kind: Kind, inner: Any, root: str) -> None:
        self.name, self.kind, self.inner, self.root = name, kind, inner, root.rstrip("/")
        self.url = f"faulty://{name}"
        self.log: list[str] = []
        self.dead = False
        self._plan: dict[int, Fault] = {}
        self._lock = RLock()

    @property
    def count(self) -> int:
        """Operations since the last restart."""
        return len(self.log)

    def fs(self) -> Any:
        """Return the filesystem itself, past all faults."""
        return _Bare(self)

    def restart(self, plan: Mapping[int, Fault] | None = None) -> None:
        """Come back to life, count from 1 again, and strike by a new plan."""
        with self._lock:
            self.dead, self.log, self._plan = False, [], dict(plan or {})

    def operate(
        self, words: str, act: Callable[[], T], half: Callable[[], object] | None = None
    ) -> T:
        """Carry out an operation, or what the plan makes of it."""
        with self._lock:
            if self.dead:
                raise Killed(words)
            self.log.append(words)
            fault = self._plan.get(self.count)
            if fault is None:
                return act()
            self.dead = fault.kills
            if fault in (Fault.UNACKNOWLEDGED, Fault.KILL_AFTER):
                act()
            elif fault in (Fault.TORN, Fault.KILL_TORN) and half is not None:
                half()
        raise _error_of(fault, f"{words} (operation {self.count})")


def _error_of(fault: Fault, words: str) -> BaseException:
    if fault.kills:
        return Killed(words)
    if fault is Fault.TRANSIENT:
        return ConnectionResetError(errno.ECONNRESET, f"injected: {words}")
    if fault is Fault.UNACKNOWLEDGED:
        return TimeoutError(errno.ETIMEDOUT, f"injected: {words}")
    return OSError(errno.EIO, f"injected: {words}")


class _Bare:
    """A world's files by their paths in it, for tests to look at and to set up."""

    def __init__(self, world: World) -> None:
        self._inner, self._root = world.inner, world.root

    def cat_file(self, path: str) -> bytes:
        """Return all of a file."""
        return bytes(self._inner.cat_file(self._root + path))

    def pipe_file(self, path: str, data: bytes) -> None:
        """Write a file."""
        self._inner.makedirs((self._root + path).rpartition("/")[0], exist_ok=True)
        self._inner.pipe_file(self._root + path, data)

    def files(self) -> list[str]:
        """Return the paths of all files, sorted."""
        found = self._inner.find(self._root)
        return sorted(str(name).removeprefix(self._root) for name in found)


_worlds: dict[str, World] = {}


def world(name: str) -> World:
    """Return a world that was made by `faulty`.

    Raises
    ------
    FileNotFoundError
        If there is none in this process.
    """
    try:
        return _worlds[name]
    except KeyError:
        raise FileNotFoundError(f"no faulty storage is called {name}") from None


@contextlib.contextmanager
def faulty(kind: Kind, root: str | None = None, name: str | None = None) -> Iterator[World]:
    """Make a world, and forget it with all that is in memory at the end.

    Parameters
    ----------
    kind : Kind
    root : str, optional
        A local directory, which several processes may share; else it is in memory.
    name : str, optional
        By default one that no other has.
    """
    from mr.storage import faulty_fs

    fsspec.register_implementation("faulty", faulty_fs.FaultyFileSystem, clobber=True)
    name = name or secrets.token_hex(6)
    inner = fsspec.filesystem("file" if root else "memory", auto_mkdir=False)
    made = World(name, kind, inner, root or f"/faulty-{name}")
    inner.makedirs(made.root, exist_ok=True)
    _worlds[name] = made
    capabilities.declare(f"{made.url}/", kind.promises)
    try:
        yield made
    finally:
        capabilities.declare(f"{made.url}/", None)
        del _worlds[name]
        if root is None:
            inner.rm(made.root, recursive=True)
