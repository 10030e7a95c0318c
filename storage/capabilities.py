"""What a storage promises: declared, never tried.

Two drivers on one run, and outputs that appear at once, hang on these; so a storage that
is not known here promises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from mr.storage.uri import protocol_of


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a storage promises.

    Parameters
    ----------
    atomic_rename : bool
        A file renamed onto another replaces it at once: every reader sees the
        one or the other, whole; a directory renamed to a free name is there at once
        with all it holds. Where it is false, a put of a whole object is what is atomic.
    writable : bool
        Files can be written at all.
    exclusive_create : bool
        A file can be made only if there is none of its name: of many who try, one
        succeeds.
    """

    atomic_rename: bool
    writable: bool = True
    exclusive_create: bool = False


# webhdfs renames atomically too, but its client does not say when the server refused.
_ATOMIC_RENAME = frozenset({"file", "local", "hdfs", "viewfs"})
_READ_ONLY = frozenset({"http", "https"})
# HDFS renames onto a name only if it is free; memory is one process's, behind our own lock.
_EXCLUSIVE = _ATOMIC_RENAME | {"memory"}

# The first releases whose ``pipe_file(mode="create")`` is a conditional put, of small objects
# too; earlier ones take the argument and overwrite.
_CONDITIONAL_PUT = {
    "s3": ("s3fs", (2025, 7)),
    "s3a": ("s3fs", (2025, 7)),
    "gs": ("gcsfs", (2024, 12)),
    "gcs": ("gcsfs", (2024, 12)),
}

_declared: dict[str, Capabilities] = {}


def capabilities(uri: str) -> Capabilities:
    """Return what the storage of ``uri`` promises."""
    for prefix, declared in _declared.items():
        if uri.startswith(prefix):
            return declared
    protocol = protocol_of(uri)
    return Capabilities(
        atomic_rename=protocol in _ATOMIC_RENAME,
        writable=protocol not in _READ_ONLY,
        exclusive_create=protocol in _EXCLUSIVE or _puts_conditionally(protocol),
    )


def declare(prefix: str, promised: Capabilities | None) -> None:
    """Declare what the storage behind a URL promises, before our own table; None takes it back.

    Parameters
    ----------
    prefix : str
        How the URLs begin, such as ``s3://bucket-of-an-old-server/``.
    promised : Capabilities or None
    """
    if promised is None:
        _declared.pop(prefix, None)
    else:
        _declared[prefix] = promised


@cache
def _puts_conditionally(protocol: str) -> bool:
    package, least = _CONDITIONAL_PUT.get(protocol, ("", (0, 0)))
    if not package:
        return False
    try:
        installed = tuple(int(part) for part in re.findall(r"\d+", version(package))[:2])
    except PackageNotFoundError:
        return False
    return installed >= least
