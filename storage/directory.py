"""Files of a directory of our own: read, listed, moved, removed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mr.storage.filesystem import is_local, locate
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
            return sorted(
                str(name).rstrip("/").rsplit("/", 1)[-1] for name in fs.ls(path, detail=False)
            )
    return []


def sizes_below(uri: str) -> dict[str, int]:
    """Return the files of a directory and those below it, by relative name, with their sizes."""
    fs, path = locate(uri)
    with translated(uri):
        fs.invalidate_cache()
        with suppress(FileNotFoundError):
            found = fs.find(path, detail=True)
            return {
                name.removeprefix(path).lstrip("/"): int(info["size"])
                for name, info in sorted(found.items())
                if info["type"] != "directory"
            }
    return {}


def kind_of(uri: str) -> str | None:
    """Return ``file`` or ``directory``, or None where there is nothing of that name.

    fsspec's own ``exists`` takes a storage that does not answer for a file that is not there.
    """
    fs, path = locate(uri)
    with translated(uri):
        fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return str(fs.info(path)["type"])
    return None


def move(source: str, target: str) -> None:
    """Rename a file or a directory to a free name, at once, where renames are atomic.

    Raises
    ------
    NotFound
        If there is no source.
    StorageError
        If the name is taken by a file, or by a directory that holds something.
    """
    with translated(source):
        if is_local(source):
            old, new = (Path(locate(uri)[1]) for uri in (source, target))
            if new.is_file():  # which a rename would replace
                raise FileExistsError(new)
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)
            return
        (fs, old_path), (_, new_path) = locate(source), locate(target)
        fs.makedirs(new_path.rpartition("/")[0], exist_ok=True)
        fs.mv(old_path, new_path)


def copy(source: str, target: str) -> None:
    """Copy a file within a storage whose objects appear whole, replacing.

    Raises
    ------
    NotFound
        If there is no source.
    """
    (fs, old_path), (_, new_path) = locate(source), locate(target)
    with translated(source):
        fs.cp_file(old_path, new_path)


def remove(uri: str) -> None:
    """Remove a file; one that is gone already is not missed."""
    fs, path = locate(uri)
    with translated(uri), suppress(FileNotFoundError):
        fs.rm_file(path)


def remove_tree(uri: str) -> None:
    """Remove a directory with all below it; one that is gone already is not missed."""
    fs, path = locate(uri)
    with translated(uri), suppress(FileNotFoundError):
        fs.invalidate_cache()
        fs.rm(path, recursive=True)
