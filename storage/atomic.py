"""Files that others see whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mr.storage import scratch
from mr.storage.capabilities import capabilities
from mr.storage.errors import Place, UsageError
from mr.storage.filesystem import is_local, locate
from mr.storage.translate import translated

Buffer = bytes | bytearray | memoryview


def write_bytes(uri: str, data: Buffer | Sequence[Buffer]) -> None:
    """Write a file that readers see whole or not at all, replacing one of that name.

    On a local disk it also outlives a power failure once this returns. Where the
    storage renames atomically, the bytes go to a file beside it that is then renamed;
    elsewhere they are put as one object, which is what object stores do atomically.

    Parameters
    ----------
    uri : str
        Path or URL; directories above it are made.
    data : bytes-like, or sequence of bytes-like
        What to write, one buffer after the other.

    Raises
    ------
    StorageError
        If it cannot be written; nothing is left behind then.
    UsageError
        If the storage cannot be written to.
    """
    buffers = [data] if isinstance(data, Buffer) else list(data)
    check_writable(uri)
    with translated(uri):
        if is_local(uri):
            with _replacing_local(Path(locate(uri)[1])) as file:
                file.writelines(buffers)
        elif capabilities(uri).atomic_rename:
            with _replacing_beside(uri) as file:
                for buffer in buffers:
                    file.write(bytes(buffer))
        else:
            _put(uri, buffers)


@contextlib.contextmanager
def replacing(uri: str) -> Iterator[IO[bytes]]:
    """Open a file to be written piece by piece, which readers see whole or not at all.

    It takes its name, replacing what has it, when the block ends well. For object
    stores it is collected on the local disk first, and then put as one object.

    Parameters
    ----------
    uri : str
        Path or URL; directories above it are made.

    Raises
    ------
    StorageError
        If it cannot be written; nothing is left behind then, as after any error
        inside the block.
    UsageError
        If the storage cannot be written to.
    """
    check_writable(uri)
    with translated(uri):
        if is_local(uri):
            opened = _replacing_local(Path(locate(uri)[1]))
        elif capabilities(uri).atomic_rename:
            opened = _replacing_beside(uri)
        else:
            opened = _replacing_object(uri)
        with opened as file:
            yield file


def check_writable(uri: str) -> None:
    """Raise `UsageError` if the storage is for reading alone, before there is anything to write."""
    if not capabilities(uri).writable:
        raise _read_only(uri)


def temporary_name(name: str) -> str:
    """Return a name that no one else uses, and that listings of datasets skip."""
    return f".{name}.{secrets.token_hex(6)}.part"


@contextlib.contextmanager
def _replacing_local(path: Path) -> Iterator[IO[bytes]]:
    path = path.resolve()  # a link stays, and what it points to is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(temporary_name(path.name))
    with _removed_on_failure(part):
        # Made by mode, not by mkstemp, so that the user's umask decides who may read it.
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    sync_directory(path.parent)


@contextlib.contextmanager
def _removed_on_failure(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Make the names in a local directory outlive a power failure, where that can be asked for."""
    # Not every system and filesystem can; the file itself is safe by then.
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _replacing_beside(uri: str) -> Iterator[IO[bytes]]:
    fs, path = locate(uri)
    directory, _, name = path.rpartition("/")
    part = f"{directory}/{temporary_name(name)}"
    fs.makedirs(directory, exist_ok=True)
    try:
        with fs.open(part, "wb") as file:
            yield file
        _rename(fs, part, path)
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(part)
        raise


@contextlib.contextmanager
def _replacing_object(uri: str) -> Iterator[IO[bytes]]:
    fs, path = locate(uri)
    with tempfile.NamedTemporaryFile(dir=scratch.directory(), prefix="object-") as file:
        yield file
        file.flush()
        directory = path.rpartition("/")[0]
        if directory:
            fs.makedirs(directory, exist_ok=True)
        fs.put_file(file.name, path)


def _rename(fs: Any, part: str, path: str) -> None:
    """Rename onto a file that may be there.

    HDFS refuses that unless asked to overwrite, and not every client can ask: then
    there is a moment without the file, but none with half of it.
    """
    try:
        fs.mv(part, path, overwrite=True)
    except (OSError, TypeError):
        if not (fs.exists(part) and fs.exists(path)):
            raise
        fs.rm_file(path)
        fs.mv(part, path)


def _put(uri: str, buffers: Sequence[Buffer]) -> None:
    fs, path = locate(uri)
    directory = path.rpartition("/")[0]
    try:
        if directory:
            fs.makedirs(directory, exist_ok=True)
        fs.pipe_file(path, b"".join(buffers))
    except NotImplementedError:
        raise _read_only(uri) from None


def _read_only(uri: str) -> UsageError:
    return UsageError(
        "This storage cannot be written to",
        place=Place(file=uri),
        remedy="write to a local path, hdfs://, s3:// or gs://",
    )
