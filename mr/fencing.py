"""Which driver has a run: of two, one at most goes on writing, where storage can tell.

Two means, each where it is to be had:

* On a local disk a lock on ``driver.lock``, which the system lets go however its holder
  dies. While it is held another process is refused; after a ``kill -9`` it is free at once.
* Where files can be made exclusively, claims that are counted: ``driver-000003.json``. A
  driver goes on only while there is no claim above its own, and looks before each write.

Between a look and its write a driver may be stopped, and write once when it wakes. That does
no harm: a checkpoint holds what every driver of the run would write under its name, and a
segment of events is made exclusively.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mr.errors import Fenced, Place, StorageError
from mr.storage import directory
from mr.storage.capabilities import capabilities
from mr.storage.exclusive import create_exclusively
from mr.storage.filesystem import is_local, locate
from mr.storage.patience import patiently

try:
    import fcntl
except ImportError:  # Windows: claims alone
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

LOCK = "driver.lock"
CLAIM = "driver-"


@dataclass(eq=False)
class _Lock:
    path: Path
    file: IO[bytes]
    holders: int = 1


_locks: dict[Path, _Lock] = {}
"""What this process holds. A second driver in it takes over, and the claims fence the first:
a notebook's cell that was interrupted and is run again."""


@dataclass
class Fence:
    """A driver's hold on a run; made by `take`.

    Parameters
    ----------
    url : str
        The run's directory.
    epoch : int or None
        The number of its claim; None where storage cannot tell.
    """

    url: str
    epoch: int | None = None
    _lock: _Lock | None = None

    @classmethod
    def take(cls, url: str) -> Fence:
        """Take a run over from drivers that are gone, or from those that cannot be seen to live.

        Raises
        ------
        Fenced
            If another process on this machine has the run.
        StorageError
            If the claim cannot be written.
        """
        fence = cls(url, _lock=_locked(url) if is_local(url) else None)
        try:
            if capabilities(url).exclusive_create:
                fence.epoch = _claim(url)
                _prune(url, fence.epoch)
            else:
                log.warning(
                    "%s cannot tell two drivers of one run apart: see to it that there is one", url
                )
        except BaseException:
            fence.release()
            raise
        return fence

    def check(self) -> None:
        """Return if the run is still this driver's.

        Raises
        ------
        Fenced
            If there is a newer claim.
        StorageError
            If the claims cannot be listed.
        """
        if self.epoch is not None and (newest := _newest(self.url)) > self.epoch:
            raise Fenced(
                "Another driver took over the run",
                place=Place(file=self.url),
                cause=f"{_holder(self.url, newest)} began while this one was away or cut off",
                remedy="leave the run to it; what this driver did is in the run's directory",
            )

    def release(self) -> None:
        """Let others have the run; may be called twice."""
        held, self._lock = self._lock, None
        if held is None:
            return
        held.holders -= 1
        if held.holders == 0:
            held.file.close()
            if _locks.get(held.path) is held:
                del _locks[held.path]


def _locked(url: str) -> _Lock | None:
    """Lock a run's directory; None where the system has no locks."""
    path = (Path(locate(url)[1]) / LOCK).resolve()
    held = _locks.get(path)
    if held is not None and path.exists():
        held.holders += 1
        return held
    if fcntl is None or os.name == "nt":
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _refused(url) from None
    except OSError as error:  # some network mounts: then the claims must do
        file.close()
        log.warning("%s cannot be locked: %s", url, error)
        return None
    _locks[path] = _Lock(path, file)
    return _locks[path]


def _claim(url: str) -> int:
    """Claim the run and return the number of the claim.

    Drivers may race here, in three ways. Two want one number: one of them gets it, and the
    other the next. One lists, is overtaken by two others, the second of which removes the
    claim of the first as old, and then finds the number that it listed free: it looks again
    after the claim, sees a newer one, and goes on above that. Of two that both have their
    claims the older finds out by its next `Fence.check`.
    """
    while True:
        epoch = patiently(lambda: _newest(url)) + 1
        body = json.dumps(_claimant(epoch)).encode()
        uri = f"{url}/{CLAIM}{epoch:06d}.json"
        won = patiently(lambda uri=uri, body=body: create_exclusively(uri, body))  # type: ignore[misc]
        if won and patiently(lambda: _newest(url)) == epoch:
            return epoch


def _claimant(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": time.time(),
        "token": secrets.token_hex(8),  # no two claims are alike
    }


def _claims(url: str) -> list[int]:
    stems = (name.removeprefix(CLAIM) for name in directory.names_in(url) if name.startswith(CLAIM))
    numbers = (stem.removesuffix(".json") for stem in stems)
    return sorted(int(number) for number in numbers if number.isdigit())


def _newest(url: str) -> int:
    return max(_claims(url), default=0)


def _prune(url: str, epoch: int) -> None:
    # Only what is below our own: the newest claim is never removed, or numbers would come again.
    try:
        for old in _claims(url):
            if old < epoch:
                directory.remove(f"{url}/{CLAIM}{old:06d}.json")
    except StorageError as error:
        log.warning("old claims could not be removed: %s", error)


def _refused(url: str) -> Fenced:
    holder = _holder(url, _newest(url))
    return Fenced(
        "The run has a driver already",
        place=Place(file=url),
        cause=f"{holder} is at work on it",
        remedy="wait for it, or end that process and try again",
    )


def _holder(url: str, epoch: int) -> str:
    """Say who made a claim, as far as that can be read."""
    try:
        held = json.loads(directory.read_bytes(f"{url}/{CLAIM}{epoch:06d}.json"))
    except (StorageError, ValueError):
        return "another process"
    return _described(held) if isinstance(held, Mapping) else "another process"


def _described(held: Mapping[str, Any]) -> str:
    return f"process {held.get('pid')} on {held.get('host')}"
