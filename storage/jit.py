"""Compilation of functions ahead of their first call, cached on disk wherever that can be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numba

from mr.storage import scratch

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: Any, **options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles a function for a signature, or loads it from numba's cache.

    numba caches beside the source, or below the home directory. In a container neither may be
    writable: the cache is then in the scratch directory, for this run and its workers.

    Parameters
    ----------
    signature : numba type, or list of these
    **options
        Of `numba.njit`.
    """

    def decorate(function: F) -> F:
        compile_ = numba.njit(signature, cache=True, **options)
        try:
            done: F = compile_(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            _cache_in_scratch()
            done = compile_(function)
        return done

    return decorate


def _cache_in_scratch() -> None:
    where = str(scratch.directory() / "kernels")
    numba.config.CACHE_DIR = where
    os.environ["NUMBA_CACHE_DIR"] = where  # workers inherit it, and find what is compiled here
