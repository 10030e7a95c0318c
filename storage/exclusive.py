"""Files made only if there are none of their name: claims, and segments that never change.

How, by storage: locally a finished file is linked under the name; on HDFS it is renamed to
it, which fails where the name is taken; object stores are asked for a conditional put. In
each case the content is whole from the moment that the name is there (but on local disks
without hard links).
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from threading import Lock
from typing import Any

from mr.storage import directory
from mr.storage.atomic import sync_directory, temporary_name
from mr.storage.capabilities import capabilities
from mr.storage.errors import NotFound, Place, StorageError, UsageError
from mr.storage.filesystem import is_local, locate
from mr.storage.translate import translated

_memory = Lock()
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP})


def create_exclusively(uri: str, data: bytes) -> bool:
    """Write a file if there is none of its name, and return whether this call's data is there.

    Of many who try at once, one is told True. Data that two callers might share is no
    claim: whoever finds exactly its own data under the name takes it for its own, since a
    write can be done and its acknowledgement be lost.

    Parameters
    ----------
    uri : str
        Path or URL; directories above it are made.
    data : bytes
        Something of the caller's own in it, such as a random token.

    Returns
    -------
    bool
        False where the name was taken, whatever is under it.

    Raises
    ------
    UsageError
        If the storage does not promise this (`Capabilities.exclusive_create`).
    StorageError
        If nothing is under the name, and it cannot be written.
    """
    if not capabilities(uri).exclusive_create:
        raise UsageError(
            "This storage cannot make a file only if there is none",
            place=Place(file=uri),
            remedy="use a local path, hdfs://, or s3:// and gs:// with current drivers",
        )
    try:
        with translated(uri):
            _create(uri, data)
    except StorageError:
        # Taken, whatever the driver calls that; or done, and the acknowledgement was lost;
        # or failed, with another's file or none in place: what is there now tells.
        held = _held(uri)
        if held is None:
            raise
        return held == data
    return True


def _create(uri: str, data: bytes) -> None:
    fs, path = locate(uri)
    if is_local(uri):
        _link(Path(path), data)
        return
    above = path.rpartition("/")[0]
    if above:
        fs.makedirs(above, exist_ok=True)
    if capabilities(uri).atomic_rename:
        _rename(fs, path, data)
    elif uri.startswith("memory://"):
        _put_in_memory(fs, path, data)
    else:
        fs.pipe_file(path, data, mode="create")


def _held(uri: str) -> bytes | None:
    with contextlib.suppress(NotFound):
        return directory.read_bytes(uri)
    return None


def _link(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(temporary_name(path.name))
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _take_name(part, path, data)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def _take_name(part: Path, path: Path, data: bytes) -> None:
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT, and some network mounts: the name is claimed at once, the content comes after,
        # and dying in between leaves less of it.
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _rename(fs: Any, path: str, data: bytes) -> None:
    above, _, name = path.rpartition("/")
    part = f"{above}/{temporary_name(name)}"
    try:
        with fs.open(part, "wb") as file:
            file.write(data)
        fs.mv(part, path)  # not asked to overwrite, HDFS does not
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(part)
        raise


def _put_in_memory(fs: Any, path: str, data: bytes) -> None:
    # fsspec's own mode="create" looks and then writes; other threads may do so in between.
    with _memory:
        if fs.isfile(path):
            raise FileExistsError(path)
        fs.pipe_file(path, data)
