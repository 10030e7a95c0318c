"""One scratch directory a process, gone with it; what dead owners left is swept.

The owner holds a lock on a file inside, which the system lets go however the
owner ends, so a later process can tell a dead owner from a living one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from mr.storage.errors import Place, UsageError

try:
    import fcntl
except ImportError:  # Windows: nothing is swept there
    fcntl = None  # type: ignore[assignment]

_PREFIX = "gradfold-"
_LOCK = "owner.lock"
_held: dict[Path, IO[bytes]] = {}


def directory() -> Path:
    """Return this process's scratch directory, made on the first call.

    It lies under ``GRADFOLD_SCRATCH``, or the system's temporary directory.

    Raises
    ------
    UsageError
        If it cannot be made there.
    """
    try:
        return _directory_of(os.getpid())  # a forked child gets its own
    except OSError as error:
        raise UsageError(
            f"No scratch directory can be made: {error.strerror}",
            place=Place(file=error.filename),
            remedy="set GRADFOLD_SCRATCH to a directory that can be written to",
        ) from error


@cache
def _directory_of(pid: int) -> Path:
    base = Path(os.environ.get("GRADFOLD_SCRATCH") or tempfile.gettempdir())
    sweep(base)
    path = base / f"{_PREFIX}{pid}-{secrets.token_hex(4)}"
    unlocked = path.with_name(f".{path.name}")  # sweepers do not see it yet
    unlocked.mkdir(mode=0o700, parents=True)
    _held[path] = lock = (unlocked / _LOCK).open("wb")
    if fcntl is not None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unlocked.rename(path)
    atexit.register(_remove, path, pid)
    return path


def sweep(base: Path) -> list[Path]:
    """Remove the scratch directories whose owners are dead, and return them."""
    return [path for path in base.glob(f"{_PREFIX}*-*/") if _abandoned(path) and _gone(path)]


def _abandoned(path: Path) -> bool:
    if fcntl is None or path in _held:
        return False
    try:
        with (path / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by its owner, being made this moment, or another user's
        return False
    return True


def _gone(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _remove(path: Path, pid: int) -> None:
    if os.getpid() != pid:
        return
    with contextlib.suppress(KeyError):
        _held.pop(path).close()
    shutil.rmtree(path, ignore_errors=True)
