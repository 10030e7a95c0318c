"""Decimal text to float64, correctly rounded, in compiled code.

A number is an integer ``w`` of at most 18 digits times ``10**q``. Where ``w`` is
at most 2**53 and ``q`` between -22 and 22, one multiplication or division of
exact values rounds once (Clinger, 1990). Elsewhere ``w`` is multiplied by the
first 128 bits of ``5**q`` in integers, which leaves no doubt about the rounding
(Lemire, "Number parsing at a gigabyte per second", 2021). What fits neither
(more digits, subnormal or infinite results, ``nan``, and what is no number at
all) is reported as hard, and left to Python's own ``float``.

Compiled callers keep a copy of this code in numba's cache, and numba looks at
their own file alone: change `libsvm_scan` too when this changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from mr.storage.columns import Array
from mr.storage.jit import compiled

TEXT = types.Array(types.uint8, 1, "C", readonly=True)
"""The compiled type of text: bytes that are not written to."""

_MOST_DIGITS = 18  # the most that an int64 always holds
_EXACT = 1 << 53
_POWERS = np.array([10.0**k for k in range(23)])
_LEAST, _MOST = -342, 308
"""Powers of ten below give 0 and above give infinity, whatever 18 digits they multiply."""

# Compiled arithmetic on mixed signs would become floating point: constants are unsigned too.
_U0, _U1, _U3, _U9, _U12, _U32 = (np.uint64(k) for k in (0, 1, 3, 9, 12, 32))
_LOW32 = np.uint64(0xFFFFFFFF)
_LOW9 = np.uint64(0x1FF)
_TOP = np.uint64(1 << 63)
_HIDDEN = np.uint64(1 << 52)
_CARRIED = np.uint64(1 << 53)


def _power_of_five(q: int) -> int:
    """Return the first 128 bits of ``5**q``: rounded down, or up where ``q`` is negative."""
    power: int = 5 ** abs(q)
    if q >= 0:
        shift = 128 - power.bit_length()
        return power << shift if shift >= 0 else power >> -shift
    length = (power - 1).bit_length()
    # Down to 5**-27 a reciprocal of 128 bits is made in one step, as the proof asks.
    reciprocal: int = (1 << (length + 127 if q >= -27 else 2 * length + 128)) // power + 1
    return reciprocal >> max(0, reciprocal.bit_length() - 128)


_FIVES = [_power_of_five(q) for q in range(_LEAST, _MOST + 1)]
_FIVES_HIGH = np.array([five >> 64 for five in _FIVES], np.uint64)
_FIVES_LOW = np.array([five & ((1 << 64) - 1) for five in _FIVES], np.uint64)


@compiled(types.boolean(types.uint8))
def ends_token(byte: Any) -> Any:
    """Return whether a byte is white space, a line's end, or begins a comment."""
    return byte == 32 or 9 <= byte <= 13 or byte == 35


@compiled(types.int64(TEXT, types.int64), nogil=True)
def token_end(text: Array, at: int) -> int:
    """Return where the token at an offset ends."""
    while at < len(text) and not ends_token(text[at]):
        at += 1
    return at


@compiled(types.UniTuple(types.int64, 4)(TEXT, types.int64), nogil=True)
def _digits(text: Array, at: int) -> tuple[int, int, int, int]:
    """Return (mantissa, its digits, exponent of ten, end) of digits with or without a point.

    Leading zeros are not counted; more digits than an int64 holds are counted, but dropped.
    No digit at all gives the end -1.
    """
    mantissa, digits, exponent, seen, point = 0, 0, 0, 0, 0
    while at < len(text):
        digit = text[at] - 48
        if 0 <= digit <= 9:
            seen = 1
            exponent -= point
            if digits > 0 or digit > 0:
                digits += 1
                if digits <= _MOST_DIGITS:
                    mantissa = mantissa * 10 + digit
        elif digit == -2 and point == 0:
            point = 1
        else:
            break
        at += 1
    return mantissa, digits, exponent, at if seen else -1


@compiled(types.UniTuple(types.int64, 2)(TEXT, types.int64), nogil=True)
def _exponent(text: Array, at: int) -> tuple[int, int]:
    """Return (value, end) of an exponent such as ``e-5``, (0, at) of none, end -1 of a bad one."""
    if at >= len(text) or (text[at] | 32) != 101:
        return 0, at
    at += 1
    sign = 1
    if at < len(text) and (text[at] == 43 or text[at] == 45):
        sign = 44 - text[at]
        at += 1
    start, value = at, 0
    while at < len(text) and 48 <= text[at] <= 57:
        if value < 100_000:
            value = value * 10 + (text[at] - 48)
        at += 1
    return sign * value, at if at > start else -1


@compiled(types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), nogil=True)
def _product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the (high, low) halves of the 128-bit product of two 64-bit integers."""
    a0, a1, b0, b1 = a & _LOW32, a >> _U32, b & _LOW32, b >> _U32
    middle = a1 * b0 + ((a0 * b0) >> _U32)
    cross = a0 * b1 + (middle & _LOW32)
    return a1 * b1 + (middle >> _U32) + (cross >> _U32), a * b


@compiled(types.Tuple((types.uint64, types.int64))(types.uint64), nogil=True)
def _normalised(w: Any) -> tuple[Any, int]:
    """Return a positive integer shifted so that its top bit is set, and by how much."""
    shift = 0
    for step in (32, 16, 8, 4, 2, 1):
        if w >> np.uint64(64 - step) == _U0:
            w <<= np.uint64(step)
            shift += step
    return w, shift


@compiled(types.Tuple((types.float64, types.boolean))(types.int64, types.int64), nogil=True)
def _scaled(mantissa: int, q: int) -> tuple[Any, bool]:
    """Return (``mantissa * 10**q`` correctly rounded, whether that is hard)."""
    if q < _LEAST or q > _MOST:
        return 0.0, True
    w, shift = _normalised(np.uint64(mantissa))
    high, low = _product(w, _FIVES_HIGH[q - _LEAST])
    if high & _LOW9 == _LOW9:  # what was cut off may carry into the bits that decide
        more, _ = _product(w, _FIVES_LOW[q - _LEAST])
        low += more
        if low < more:
            high += _U1
    upper = high >> np.uint64(63)
    bits = high >> (upper + _U9)
    exponent = ((217706 * q) >> 16) + 63 + np.int64(upper) - shift + 1023
    if exponent <= 0 or exponent >= 2046:
        return 0.0, True
    # Exactly half way between two floats, which these powers alone allow: to the even one.
    half = low <= _U1 and -4 <= q <= 23 and bits & _U3 == _U1
    if half and bits << (upper + _U9) == high:
        bits -= _U1
    bits = (bits + (bits & _U1)) >> _U1
    if bits >= _CARRIED:
        bits, exponent = _HIDDEN, exponent + 1
    pattern = np.uint64((np.uint64(exponent) << np.uint64(52)) | (bits & ~_HIDDEN))
    return pattern.view(np.float64), False


@compiled(
    types.Tuple((types.float64, types.int64, types.boolean))(TEXT, types.int64),
    nogil=True,
)
def parse_float(text: Array, at: int) -> tuple[float, int, bool]:
    """Parse the token at an offset as a number.

    Parameters
    ----------
    text : ndarray of uint8, shape (n,)
    at : int
        Where the token begins.

    Returns
    -------
    value : float
        0 if the token is hard.
    end : int
        Where the token ends.
    hard : bool
        Whether Python's ``float`` has to decide what it is, or that it is no number.
    """
    start = at
    negative = at < len(text) and text[at] == 45
    if at < len(text) and (text[at] == 43 or text[at] == 45):
        at += 1
    mantissa, digits, shift, at = _digits(text, at)
    if at < 0:
        return 0.0, token_end(text, start), True
    exponent, at = _exponent(text, at)
    if at < 0 or (at < len(text) and not ends_token(text[at])):
        return 0.0, token_end(text, start), True
    exponent += shift
    if digits > _MOST_DIGITS:
        return 0.0, at, True
    hard = False
    if mantissa == 0:
        value = 0.0
    elif mantissa <= _EXACT and -22 <= exponent <= 22:
        value = np.float64(mantissa)
        value = value * _POWERS[exponent] if exponent >= 0 else value / _POWERS[-exponent]
    else:
        value, hard = _scaled(mantissa, exponent)
    return -value if negative else value, at, hard
