"""Whole files of a directory of our own: read, listed, removed."""

from __future__ import annotations

from contextlib import suppress

from mr.storage.filesystem import locate
from mr.storage.translate import translated


def read_bytes(uri: str) -> bytes:
    """Return all of a file.

    Raises
    ------
    NotFound
        If there is no such file.
    """
    fs, path = locate(uri)
    with translated(uri):
        return bytes(fs.cat_file(path))


def names_in(uri: str) -> list[str]:
    """Return the names in a directory, sorted; none where there is no directory."""
    fs, path = locate(uri)
    with translated(uri):
        fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return sorted(str(name).rsplit("/", 1)[-1] for name in fs.ls(path, detail=False))
    return []


def remove(uri: str) -> None:
    """Remove a file; one that is gone already is not missed."""
    fs, path = locate(uri)
    with translated(uri), suppress(FileNotFoundError):
        fs.rm_file(path)
