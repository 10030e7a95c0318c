"""The compiled scanner of libsvm text: bytes to rows, no Python objects.

It raises nothing: it stops at the first token that breaks a rule, and says
which rule and where; numbers that need Python's ``float`` are listed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from mr.storage.columns import Array
from mr.storage.formats.decimal import TEXT, parse_float, token_end
from mr.storage.jit import compiled

FINE, NOT_A_PAIR, TOO_SMALL, NOT_RISING, TOO_LARGE = range(5)
LARGEST_WIDTH = (1 << 31) - 1

_FLOATS = types.Array(types.float64, 1, "C")
_INTS = types.Array(types.int64, 1, "C")
_COLUMNS = types.Array(types.int32, 1, "C")
_OUT = types.Tuple((_FLOATS, _INTS, _INTS, _COLUMNS, _FLOATS, types.Array(types.int64, 2, "C")))


class Scan(NamedTuple):
    """What was found in the text, up to the first broken rule.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
    starts : ndarray of int64, shape (rows,)
        Where each row's line starts.
    indptr : ndarray of int64, shape (rows + 1,)
    indices : ndarray of int32, shape (nnz,)
    data : ndarray of float64, shape (nnz,)
    hard : ndarray of int64, shape (k, 3)
        Numbers that are still to be parsed: (slot in `data`, or -1 - row of the
        label; start; stop).
    code : int
        `FINE`, or the rule that is broken.
    at : int
        Where the token begins that breaks it.
    """

    labels: Array
    starts: Array
    indptr: Array
    indices: Array
    data: Array
    hard: Array
    code: int
    at: int


def scan(text: Array, base: int, width: int) -> Scan:
    """Scan whole lines of libsvm text.

    Parameters
    ----------
    text : ndarray of uint8, shape (n,)
    base : int
        The number of the first column: 0 or 1.
    width : int
        Columns from this number on are refused.
    """
    # Upper bounds: memory that is never written to is never taken.
    most_rows = int(np.count_nonzero(text == ord("\n"))) + 1
    most_values = int(np.count_nonzero(text == ord(":")))
    labels, starts = np.empty(most_rows), np.empty(most_rows, np.int64)
    indptr = np.zeros(most_rows + 1, np.int64)
    indices, data = np.empty(most_values, np.int32), np.empty(most_values)
    hard = np.empty((most_rows + most_values, 3), np.int64)
    out = labels, starts, indptr, indices, data, hard
    rows, stored, hards, code, at = _scan(text, base, width, out)
    return Scan(
        labels[:rows],
        starts[:rows],
        indptr[: rows + 1],
        indices[:stored],
        data[:stored],
        hard[:hards],
        code,
        at,
    )


@compiled(types.int64(TEXT, types.int64), nogil=True)
def _next_token(text: Array, at: int) -> int:
    """Return where the next token of the line begins; of none, where its text ends."""
    while at < len(text) and (text[at] == 32 or (text[at] != 10 and 9 <= text[at] <= 13)):
        at += 1
    return at


@compiled(types.boolean(TEXT, types.int64), nogil=True)
def _line_ends(text: Array, at: int) -> bool:
    """Return whether there is no more of the line but a comment."""
    return at >= len(text) or text[at] == 10 or text[at] == 35


@compiled(types.int64(TEXT, types.int64), nogil=True)
def _next_line(text: Array, at: int) -> int:
    while at < len(text) and text[at] != 10:
        at += 1
    return at + 1


@compiled(types.boolean(TEXT, types.int64), nogil=True)
def _is_query(text: Array, at: int) -> bool:
    """Return whether a token is ``qid:…``."""
    return (
        at + 3 < len(text)
        and text[at] == 113
        and text[at + 1] == 105
        and text[at + 2] == 100
        and text[at + 3] == 58
    )


@compiled(types.UniTuple(types.int64, 2)(TEXT, types.int64), nogil=True)
def _index(text: Array, at: int) -> tuple[int, int]:
    """Return (index, end) of ``7:``; (-1, at) if that is not what is there."""
    start, index = at, 0
    while at < len(text) and 48 <= text[at] <= 57:
        if index <= LARGEST_WIDTH:
            index = index * 10 + (text[at] - 48)
        at += 1
    if at == start or at >= len(text) or text[at] != 58:
        return -1, start
    return index, at + 1


@compiled(types.int64(types.int64, types.int64, types.int64, types.int64), nogil=True)
def _rule(index: int, previous: int, base: int, width: int) -> int:
    """Return the rule that an index breaks."""
    if index < 0:
        return NOT_A_PAIR
    if index < base:
        return TOO_SMALL
    if index <= previous:
        return NOT_RISING
    return TOO_LARGE if index - base >= width else FINE


@compiled(types.UniTuple(types.int64, 5)(TEXT, types.int64, types.int64, _OUT), nogil=True)
def _scan(
    text: Array, base: int, width: int, out: tuple[Array, ...]
) -> tuple[int, int, int, int, int]:
    labels, starts, indptr, indices, data, hard = out
    rows, stored, hards, at = 0, 0, 0, 0
    while at < len(text):
        starts[rows] = at
        at = _next_token(text, at)
        if _line_ends(text, at):  # blank, or nothing but a comment
            at = _next_line(text, at)
            continue
        labels[rows], end, is_hard = parse_float(text, at)
        if is_hard:
            hard[hards] = -1 - rows, at, end
            hards += 1
        at, previous = _next_token(text, end), base - 1
        while not _line_ends(text, at):
            if _is_query(text, at):
                at = _next_token(text, token_end(text, at))
                continue
            index, start = _index(text, at)
            code = _rule(index, previous, base, width)
            if code != FINE:
                return rows, stored, hards, code, at
            data[stored], end, is_hard = parse_float(text, start)
            indices[stored] = index - base
            if is_hard:
                hard[hards] = stored, start, end
                hards += 1
            stored += 1
            at, previous = _next_token(text, end), index
        rows += 1
        indptr[rows] = stored
        at = _next_line(text, at)
    return rows, stored, hards, FINE, at
