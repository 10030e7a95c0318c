"""Compiled functions find a place for their cache, or make one."""

from __future__ import annotations

import numba
import pytest
from numba import types

from mr.storage import jit, scratch


@pytest.fixture
def nowhere_to_cache(monkeypatch):
    """Let numba find no directory that can be written to, but one that is asked for."""
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")


def double(x):
    return x + x


def test_compiles_where_nothing_beside_the_source_or_at_home_can_be_written(nowhere_to_cache):
    assert jit.compiled(types.int64(types.int64))(double)(21) == 42
    assert list((scratch.directory() / "kernels").rglob("*.nbi"))


def test_what_else_goes_wrong_is_not_hidden(monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("something else")

    monkeypatch.setattr(jit.numba, "njit", lambda *a, **k: refuse)
    with pytest.raises(RuntimeError, match="something else"):
        jit.compiled(types.int64(types.int64))(double)
