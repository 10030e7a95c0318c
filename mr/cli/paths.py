"""Paths on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from mr.errors import Place, UsageError


def absolute(location: str | None) -> str | None:
    """Return a path as it holds from any directory; URLs are that already."""
    if location is None or "://" in location or "::" in location:
        return location
    return str(Path(location).absolute())


def check_writable(location: str | None) -> None:
    """Refuse a local path that cannot be written to before any work is done for it.

    Raises
    ------
    UsageError
        If it is a directory, or its own cannot be made or written to.
    """
    if location is None or "://" in location or "::" in location:
        return
    path = Path(location).absolute()
    above = next(parent for parent in path.parents if parent.exists())
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise UsageError(
            "Nothing can be written there",
            place=Place(file=location),
            cause="it is a directory" if path.is_dir() else f"{above} cannot be written to",
            remedy="give the path of a file in a directory of yours",
        )
