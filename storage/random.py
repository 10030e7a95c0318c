"""Randomness over records: counter-based, keyed by purpose, counted by identity.

Philox4x64-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
SC 2011): a record's number depends on the seed, the purpose and the record
alone, never on the order or the place in which records are read.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def uniform(seed: int, purpose: str, ordinal: Words, position: Words) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each record.

    Parameters
    ----------
    seed : int
        Any integer.
    purpose : str
        Keeps draws for different ends independent, e.g. ``split``.
    ordinal, position : ndarray of uint64, shape (rows,)
        The records' identities.

    Returns
    -------
    ndarray of float64, shape (rows,)
        Multiples of 2**-53.
    """
    zero = np.zeros_like(position)
    first = philox((position, ordinal, zero, zero), key(seed, purpose))[0]
    return (first >> np.uint64(11)).astype(np.float64) * 2.0**-53


def key(seed: int, purpose: str) -> tuple[int, int]:
    """Return the 128-bit key for a seed and a purpose."""
    digest = hashlib.sha256(f"{seed}\0{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def philox(
    counter: tuple[Words, Words, Words, Words], key: tuple[int, int]
) -> tuple[Words, Words, Words, Words]:
    """Return the four output words of Philox4x64-10 at each counter.

    Parameters
    ----------
    counter : four ndarrays of uint64, shape (n,)
        Least significant word first.
    key : two ints below 2**64
    """
    c0, c1, c2, c3 = counter
    for step in range(_ROUNDS):
        k0, k1 = (
            np.uint64((word + step * weyl) % 2**64) for word, weyl in zip(key, _WEYL, strict=True)
        )
        high0, low0 = _multiply(_MULTIPLIERS[0], c0)
        high1, low1 = _multiply(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def _multiply(factor: np.uint64, words: Words) -> tuple[Words, Words]:
    """Return the high and low halves of 64 x 64 bit products."""
    with np.errstate(over="ignore"):
        a_low, a_high = factor & _LOW, factor >> _HALF
        b_low, b_high = words & _LOW, words >> _HALF
        middle = a_high * b_low + ((a_low * b_low) >> _HALF)
        carry = a_low * b_high + (middle & _LOW)
        high = a_high * b_high + (middle >> _HALF) + (carry >> _HALF)
        return high, words * factor
