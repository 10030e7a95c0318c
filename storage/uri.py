"""URIs as text: their protocol, their host, and the part that names a file."""

from __future__ import annotations

from typing import Any

import fsspec


def protocol_of(uri: str) -> str:
    """Return the protocol that bytes are written by: the first of a chain."""
    head = uri.partition("::")[0]
    if "://" in head:
        return head.partition("://")[0]
    return head if "::" in uri else "file"


def qualified(url: str, fs: Any, path: str) -> str:
    """Return the URI of a path that was found through ``url``, with its host if it had one."""
    head, chained, rest = url.partition("::")
    if chained and "://" in head:  # an archive: members of a file elsewhere
        return f"{head.partition('://')[0]}://{path.lstrip('/')}::{rest}"
    if chained:  # a cache in front of a storage
        inner = fsspec.get_filesystem_class(protocol_of(rest))
        return f"{head}::{qualified(rest, inner, path)}"
    if "://" not in url:
        return str(fs.unstrip_protocol(path))
    protocol, _, location = url.partition("://")
    host = location.partition("/")[0]
    if host and "host" in fs._get_kwargs_from_urls(url) and "://" not in path:  # noqa: SLF001
        return f"{protocol}://{host}{path}"
    return path if "://" in path else f"{protocol}://{path}"


def file_part(uri: str) -> str:
    """Return the part of a URI that names the file: of a chain, the first with a path."""
    first, _, rest = uri.partition("::")
    return first if "://" in first or not rest else file_part(rest)


def parent(uri: str) -> str:
    """Return the directory that a file is in."""
    return file_part(uri).rpartition("/")[0]


def common_root(uris: list[str]) -> str:
    """Return the directory that all share; what lies between the least and the greatest does."""
    first, last = (parent(uri).split("/") for uri in (min(uris), max(uris)))
    same = [a == b for a, b in zip(first, last, strict=False)]
    return "/".join(first[: same.index(False)] if False in same else first[: len(same)])
