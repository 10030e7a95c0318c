"""``_SUCCESS``: the list of files that makes a directory of them one output.

It is written last, whole, and names each file of the output with its size and checksum. A
reader that holds to it sees the output of one job or of none, whatever else lies there.
Hadoop's and Spark's, which are empty or say other things, promise nothing about names.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mr.storage.errors import CorruptFile, IncompleteOutput, Place

log = logging.getLogger(__name__)

SUCCESS = "_SUCCESS"
TEMPORARY = "_temporary"
STAGED = "gradfold-"
"""How the names of the runs in ``_temporary`` begin: what others leave there is no sign of ours."""
_OPENING = b'{"gradfold":'
_FORMAT = 1

Entries = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file of an output.

    Parameters
    ----------
    name : str
        In the output's directory.
    size : int
    sha256 : str
    """

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> File:
        """Return the entry of a file with this content."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Success:
    """What ``_SUCCESS`` says.

    Parameters
    ----------
    run : str
        Which run's output this is.
    files : tuple of File
    replaces : bool
        Whether the run may take the place of an output that is there.
    replaced : tuple of str
        Names of the files before it, which are garbage now.
    """

    run: str
    files: tuple[File, ...]
    replaces: bool = False
    replaced: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return it as it is written; the checksum at its end covers all before."""
        body = json.dumps({"gradfold": _FORMAT, **asdict(self)}).encode()
        return body + f"\n{hashlib.sha256(body).hexdigest()}\n".encode()


def decode(data: bytes, uri: str) -> Success | None:
    """Return what a ``_SUCCESS`` says, or None if it is not one of ours.

    Raises
    ------
    CorruptFile
        If it is ours, and damaged or of another version.
    """
    if not data.startswith(_OPENING):
        return None
    body, _, check = data.rstrip(b"\n").rpartition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != check:
        raise _damaged(uri, "fails its checksum")
    held = json.loads(body)
    if held.pop("gradfold") != _FORMAT:
        raise _damaged(uri, "is of another version")
    files = tuple(File(**file) for file in held.pop("files"))
    return Success(files=files, replaced=tuple(held.pop("replaced")), **held)


def committed(fs: Any, path: str, url: str, entries: Entries) -> Entries:
    """Return the entries of a directory that its ``_SUCCESS`` names, or all where it is not ours.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
    path : str
        The directory.
    url : str
        The same, for messages.
    entries : mapping of str to mapping
        All files below it, as ``fs.find`` gives them.

    Raises
    ------
    IncompleteOutput
        If a job is still at work there, ended before its time, or a file is gone.
    CorruptFile
        If a file has not the size that it was committed with.
    """
    below = {name.removeprefix(path).lstrip("/"): name for name in entries}
    mark = below.get(SUCCESS)
    found = decode(bytes(fs.cat_file(mark)), f"{url}/{SUCCESS}") if mark else None
    if found is None:
        _refuse_staged(url, below, marked=mark is not None)
        return entries
    _hold_to(url, found, {name: entries[full].get("size") for name, full in below.items()})
    return {full: entries[full] for name, full in below.items() if name in _names(found)}


def _refuse_staged(url: str, below: Mapping[str, str], *, marked: bool) -> None:
    # Others' `_SUCCESS` counts as theirs until a run of ours is there to replace their output.
    sign = f"{TEMPORARY}/{STAGED}" if marked else f"{TEMPORARY}/"
    if any(name.startswith(sign) for name in below):
        raise IncompleteOutput(
            "The directory holds the output of a job that is not complete",
            place=Place(file=url),
            cause=f"the job is still at work, or ended before its time: there is a {TEMPORARY} "
            f"and no {SUCCESS}",
            remedy=f"wait for the job, or run it again; or remove {TEMPORARY} to read the rest",
        )


def _hold_to(url: str, found: Success, sizes: Mapping[str, Any]) -> None:
    for file in found.files:
        if file.name not in sizes:
            raise IncompleteOutput(
                "A file of a job's output is gone",
                place=Place(file=f"{url}/{file.name}"),
                cause=f"it was removed after the job, since {SUCCESS} names it",
                remedy=f"run the job again, or remove {SUCCESS} to read what is left",
            )
        if sizes[file.name] not in (file.size, None):
            raise CorruptFile(
                f"A file of a job's output has {sizes[file.name]} bytes in place of {file.size}",
                place=Place(file=f"{url}/{file.name}"),
                cause="another program wrote to it, or a copy was cut off",
                remedy=f"run the job again, or remove {SUCCESS} to read the file as it is",
            )
    known = _names(found) | set(found.replaced)
    strangers = [name for name in sizes if not name.startswith(("_", ".")) and name not in known]
    if strangers:
        log.warning(
            "%s: %d files, %s among them, are not in %s and are left out",
            url,
            len(strangers),
            min(strangers),
            SUCCESS,
        )


def _names(found: Success) -> set[str]:
    return {file.name for file in found.files}


def _damaged(uri: str, how: str) -> CorruptFile:
    return CorruptFile(
        f"The list of an output's files {how}",
        place=Place(file=uri),
        cause="the disk, a copy that was cut off, or another program wrote to it",
        remedy="run the job again, or remove it to read all files that are there",
    )
