"""Paths and URLs as files: one door to every storage that fsspec reaches.

Whether a storage can do a thing is declared (`mr.storage.capabilities`), never tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from fsspec.core import url_to_fs

from mr.storage.blocks import FileInfo
from mr.storage.errors import NotFound, Place, StorageError, UsageError
from mr.storage.success import committed
from mr.storage.translate import translated
from mr.storage.uri import common_root, file_part, parent, qualified

Location = str | os.PathLike[str]

_MAGIC = frozenset("*?[")
_HIDDEN = ("_", ".")
_VERSION_KEYS = (
    "etag",
    "ETag",
    "mtime",
    "modification_time",
    "modificationTime",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "updated",
    "created",
)


def locate(source: Location) -> tuple[Any, str]:
    """Return the filesystem of a path or URL, and the path on it.

    Parameters
    ----------
    source : str or path
        A local path, or any URL that fsspec understands.

    Returns
    -------
    fs : fsspec.AbstractFileSystem
    path : str
        What the methods of ``fs`` take.

    Raises
    ------
    UsageError
        If the protocol is not known, or its driver is not installed.
    Unreachable
        If the storage does not answer.
    """
    url = os.fspath(source)
    with translated(url):
        fs, path = url_to_fs(url)
    return fs, path


def open_input(uri: str) -> IO[bytes]:
    """Open a file for reading bytes; translate what its methods raise with `translated`.

    Raises
    ------
    NotFound, Unreachable, StorageError
        If it cannot be opened.
    """
    fs, path = locate(uri)
    with translated(uri):
        file: IO[bytes] = fs.open(path, "rb")
        return file


def read_range(uri: str, start: int, stop: int) -> bytes:
    """Read the bytes ``[start, stop)`` of a file.

    Parameters
    ----------
    uri : str
        The file.
    start, stop : int
        Byte offsets, both within the file's size as it was listed.

    Raises
    ------
    StorageError
        If the file is shorter than that, or cannot be read.
    """
    if start >= stop:
        return b""
    fs, path = locate(uri)
    with translated(uri):
        if _is_local(fs):
            data = _read_local(path, start, stop)
        else:
            data = fs.cat_file(path, start=start, end=stop)
    if len(data) > stop - start:  # an HTTP server without ranges sends the whole file
        data = data[start:stop]
    if len(data) < stop - start:
        raise StorageError(
            f"Only {len(data)} of {stop - start} bytes could be read",
            place=Place(file=uri, offset=start),
            cause="the file became shorter after it was listed",
            remedy="start again once nothing writes to it",
        )
    return bytes(data)


def is_local(uri: str) -> bool:
    """Return whether a file lies on a local disk, where it can be mapped into memory."""
    return _is_local(locate(uri)[0])


def refuse_changed(file: FileInfo) -> None:
    """Hold a local file to what it was when it was listed; others are not asked, which costs much.

    One that has only grown passes: logs are appended to, and what came later is not read.

    Raises
    ------
    NotFound, StorageError
        If it is gone, or was written anew.
    """
    fs, path = locate(file.uri)
    if not _is_local(fs):
        return
    with translated(file.uri):
        size, version = _local_version(path)
    grown = size > file.size and version.partition("-")[2] == file.version.partition("-")[2]
    if version != file.version and not grown:
        raise StorageError(
            "The file changed after it was listed",
            place=Place(file=file.uri),
            cause="another program writes to it",
            remedy="start again once nothing does",
        )


def list_files(source: Location | Sequence[Location]) -> tuple[FileInfo, ...]:
    """List the files of a dataset, sorted by name.

    Parameters
    ----------
    source : str, path, or sequence of these
        A file; a directory, which is searched through all its levels; a glob;
        or a list of these. Of a directory that a job of ours wrote, the files that
        the job committed. As in Hadoop, names that begin with ``_`` or ``.``
        are skipped, unless they are given in full.

    Returns
    -------
    tuple of FileInfo
        Sorted by name, the path relative to the directory, to the part of the
        glob before the first wildcard, or, for a list, to what all share.

    Raises
    ------
    NotFound
        If a path does not exist, or a glob or directory has no files.
    IncompleteOutput
        If a directory holds the output of a job that is not, or not yet, complete.
    UsageError
        If a list is empty or names a file twice.
    """
    if isinstance(source, str | os.PathLike):
        root, files = _expand(source)
        return _named(root, files)
    found = [entry for part in source for entry in _expand(part)[1]]
    if not found:
        raise UsageError("The list of files is empty", remedy="give one file at least")
    _refuse_duplicates(uri for uri, _, _ in found)
    return _named(common_root([uri for uri, _, _ in found]), found)


_Found = tuple[str, int, str]
"""URI, size, version."""


def _expand(source: Location) -> tuple[str, list[_Found]]:
    """Return the root that names are relative to, and the files of one entry."""
    url = os.fspath(source)
    fs, path = locate(source)
    with translated(url):
        fs.invalidate_cache()  # what is listed now is what the data's identity is made of
        if _MAGIC.isdisjoint(path) or fs.exists(path):
            info = fs.info(path)
            if info["type"] != "directory":
                return parent(qualified(url, fs, path)), [_found(url, fs, info, path)]
            root, entries = path, committed(fs, path, url, fs.find(path, detail=True))
        else:
            root = _fixed_part(path)
            entries = _walk(fs, fs.glob(path, detail=True))
        files = [
            _found(url, fs, info, name)
            for name, info in entries.items()
            if info["type"] != "directory" and not _hidden(name, root)
        ]
    if not files:
        raise NotFound(
            "No file matches" if root != path else "The directory holds no files",
            place=Place(file=url),
            cause="names that begin with _ or . are skipped, as Hadoop does",
            remedy="check the path",
        )
    return qualified(url, fs, root), files


def _walk(fs: Any, entries: dict[str, Any]) -> dict[str, Any]:
    """Put the files below the directories among the entries in their place."""
    files: dict[str, Any] = {}
    for name, info in entries.items():
        inside = fs.find(name, detail=True) if info["type"] == "directory" else {name: info}
        files |= inside
    return files


def _fixed_part(pattern: str) -> str:
    """Return the directory before the first wildcard."""
    first = min(pattern.index(sign) for sign in _MAGIC if sign in pattern)
    return pattern[:first].rpartition("/")[0]


def _hidden(path: str, root: str) -> bool:
    return any(part.startswith(_HIDDEN) for part in path.removeprefix(root).split("/"))


def _found(url: str, fs: Any, info: dict[str, Any], path: str) -> _Found:
    uri = qualified(url, fs, path)
    if _is_local(fs):
        return uri, *_local_version(path)
    if info.get("size") is None:
        raise StorageError(
            "The server does not say how large the file is",
            place=Place(file=uri),
            remedy="download the file and read the copy",
        )
    known = [f"{key}={info[key]}" for key in _VERSION_KEYS if info.get(key) is not None]
    return uri, int(info["size"]), ",".join(known) or str(fs.ukey(path))


def _local_version(path: str) -> tuple[int, str]:
    """Return size and version of a local file, as in `FileInfo`."""
    stat = Path(path).stat()
    return stat.st_size, f"{stat.st_mtime_ns}-{stat.st_ino}"


def _named(root: str, found: Iterable[_Found]) -> tuple[FileInfo, ...]:
    def name(uri: str) -> str:
        return file_part(uri).removeprefix(file_part(root)).lstrip("/")

    files = [FileInfo(uri, name(uri), size, version) for uri, size, version in found]
    return tuple(sorted(files, key=lambda file: file.name))


def _refuse_duplicates(uris: Iterable[str]) -> None:
    seen: set[str] = set()
    for uri in uris:
        if uri in seen:
            raise UsageError(
                "A file is listed twice",
                place=Place(file=uri),
                remedy="name each file once; use weights to count records more than once",
            )
        seen.add(uri)


def _is_local(fs: Any) -> bool:
    return bool(getattr(fs, "local_file", False))


def _read_local(path: str, start: int, stop: int) -> bytes:
    with Path(path).open("rb", buffering=0) as file:
        file.seek(start)
        parts = []
        left = stop - start
        # One call may return less than asked: Linux stops at 2 GiB.
        while left and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
