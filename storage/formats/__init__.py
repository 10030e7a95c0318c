"""Formats by name: which reader decodes which files.

Readers are named as strings and imported when one is asked for, so that listing
data needs none of what decodes it. Other packages add theirs by an entry point
in the group ``gradfold.formats``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePosixPath

from mr.storage.blocks import FileInfo
from mr.storage.errors import MixedFormats, Place, UsageError
from mr.storage.formats.base import Format

BUILTIN = {
    "libsvm": "mr.storage.formats.libsvm:Libsvm",
    "csv": "mr.storage.formats.csv:Csv",
    "jsonl": "mr.storage.formats.jsonl:JsonLines",
    "parquet": "mr.storage.formats.parquet:Parquet",
    "arrow": "mr.storage.formats.arrow:Arrow",
    "npy": "mr.storage.formats.npy:Npy",
    "text": "mr.storage.formats.text:Text",
}
"""Where the reader of each format is."""

SUFFIXES = {
    ".libsvm": "libsvm",
    ".svmlight": "libsvm",
    ".svm": "libsvm",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".npy": "npy",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
}
"""The format that each suffix means; `Format.suffixes` says the same by format."""

COMPRESSED = (".gz", ".bz2", ".xz")
"""Suffixes of compressed lines; what is before them says the format."""

_GROUP = "gradfold.formats"


def names() -> tuple[str, ...]:
    """Return the names of all formats, built in and added."""
    return tuple(sorted({*BUILTIN, *_added()}))


@cache
def get(name: str) -> Format:
    """Return the reader of a format.

    Parameters
    ----------
    name : str
        One of `names`.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        found = getattr(import_module(module), attribute)
    elif name in _added():
        found = _added()[name].load()
    else:
        raise UsageError(
            f"There is no format {name!r}", remedy=f"the formats are {', '.join(names())}"
        )
    reader: Format = found()
    return reader


def detect(files: Sequence[FileInfo]) -> str:
    """Return the name of the format that the files' suffixes mean.

    Parameters
    ----------
    files : sequence of FileInfo
        At least one.

    Raises
    ------
    MixedFormats
        If they mean more than one.
    UsageError
        If a suffix means none.
    """
    kinds: dict[str, FileInfo] = {}
    for file in files:
        kinds.setdefault(_of_suffix(file), file)
    if len(kinds) > 1:
        raise _mixed(kinds)
    return next(iter(kinds))


def _of_suffix(file: FileInfo) -> str:
    path = PurePosixPath(file.uri.partition("::")[0].lower())
    if path.suffix in COMPRESSED:
        path = path.with_suffix("")
    known = SUFFIXES | {suffix: name for name in _added() for suffix in get(name).suffixes}
    if path.suffix not in known:
        raise UsageError(
            f"The suffix {path.suffix!r} says no format" if path.suffix else "There is no suffix",
            place=Place(file=file.uri),
            remedy=f"say what it is with format=, one of {', '.join(names())}",
        )
    return known[path.suffix]


def _mixed(kinds: dict[str, FileInfo]) -> MixedFormats:
    shown = ", ".join(f"{name} ({file.name})" for name, file in sorted(kinds.items()))
    return MixedFormats(
        f"The files are of {len(kinds)} formats: {shown}",
        place=Place(file=list(kinds.values())[1].uri),
        cause="the directory or pattern takes in more than the data",
        remedy="name the files of one format, for example with a pattern such as DIR/*.csv, "
        "or say format= if all are of one format under different names",
    )


@cache
def _added() -> dict[str, EntryPoint]:
    """Return what other packages add; what is built in cannot be replaced."""
    return {point.name: point for point in entry_points(group=_GROUP) if point.name not in BUILTIN}
