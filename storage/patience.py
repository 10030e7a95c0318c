"""Storage calls made again after mishaps that pass by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mr.storage.errors import StorageError

T = TypeVar("T")

ATTEMPTS = 4
PAUSE = 0.1


def patiently(
    call: Callable[[], T],
    *,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Make a call, again after errors that are retryable, with pauses that double.

    Parameters
    ----------
    call : callable
        Must bear to be repeated, also where it was done and not acknowledged.
    attempts : int
        Calls at most.
    sleep : callable
        Takes seconds.

    Raises
    ------
    StorageError
        The last one, or the first that is not retryable.
    """
    for attempt in range(attempts - 1):
        try:
            return call()
        except StorageError as error:
            if not error.retryable:
                raise
        sleep(PAUSE * 2**attempt)
    return call()
