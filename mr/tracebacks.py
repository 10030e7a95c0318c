"""Whose code raised an error, and the traceback as its author wants to see it."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_HOUSE = Path(__file__).parent  # not resolved, since the names of frames are not either
_LIBRARIES = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))


def own_traceback(error: BaseException) -> str:
    """Format a traceback without gradfold's own frames, unless nothing else is left."""
    shown = traceback.TracebackException.from_exception(error)
    kept = [frame for frame in shown.stack if not _within(frame.filename, _HOUSE)]
    if kept:
        shown.stack = traceback.StackSummary.from_list(kept)
    return "".join(shown.format())


def summary(error: BaseException) -> str:
    """Return the type and message of an error."""
    return "".join(traceback.format_exception_only(error)).strip()


def is_users(error: BaseException) -> bool:
    """Return whether an error was raised in, or called from, code that is not a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (_HOUSE, *_LIBRARIES)
    return any(not _within(frame.filename, *ours) for frame in frames)


def _within(filename: str, *directories: Path) -> bool:
    return any(Path(filename).is_relative_to(directory) for directory in directories)
