"""Reading around malformed records of text, and taking down which were left out.

A record belongs to the range of bytes in which it starts, so a piece that holds a
malformed one is two pieces: up to where it starts, and from just behind that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mr.storage.blocks import Piece
from mr.storage.columns import Columns
from mr.storage.errors import MalformedRecord
from mr.storage.filesystem import read_range
from mr.storage.formats.base import Format, Header, ReadOptions

_LOOK_BACK = 1 << 16


def read(format_: Format, piece: Piece, header: Header, options: ReadOptions) -> list[Columns]:
    """Decode a piece, without its malformed records where the options allow for some.

    Parameters
    ----------
    format_ : Format
    piece : Piece
    header : Header
    options : ReadOptions
        ``bad_records`` says how many may be left out.

    Returns
    -------
    list of Columns
        In order; ``skipped`` of the last names what was left out.

    Raises
    ------
    MalformedRecord
        If there is one more, or the format cannot be read around it: it is compressed,
        or its records are not lines.
    """
    parts: list[Columns] = []
    skipped: list[tuple[int, int]] = []
    pending = [piece]
    while pending:
        part = pending.pop()
        try:
            parts.append(format_.read(part, header, options))
        except MalformedRecord as error:
            bad = _start(error, part, format_, header)
            if bad is None or len(skipped) == options.bad_records:
                raise
            skipped.append((piece.ordinal, bad))
            pending += [replace(part, start=bad + 1), replace(part, stop=bad)]
    if skipped:
        parts[-1] = replace(parts[-1], skipped=np.array(sorted(skipped), np.int64))
    return parts


def _start(error: MalformedRecord, part: Piece, format_: Format, header: Header) -> int | None:
    """Return the offset at which the malformed record starts, or None if it cannot be told."""
    offset = error.place.offset
    if format_.unit != "byte" or offset is None or header.facts.get("compression"):
        return None
    if not part.start <= offset:
        return None
    return _line_start(part.uri, part.start, offset)


def _line_start(uri: str, low: int, offset: int) -> int:
    """Return where the line that holds an offset starts, not below ``low``."""
    high = offset
    while high > low:
        start = max(low, high - _LOOK_BACK)
        end = read_range(uri, start, high).rfind(b"\n")
        if end >= 0:
            return start + end + 1
        high = start
    return low
