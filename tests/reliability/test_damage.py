"""Bit flips, cuts and worse in the files that we wrote: found, or without effect."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
from damaging import CHECKS, Place
from reliability_report import record, size

SHARES = {"model": 0.4, "cache": 0.4, "checkpoint": 0.15, "fit": 0.03, "plan": 0.02}
"""How the cases are dealt to the kinds of check; fits take longest."""
LONGEST = 5.0
"""Seconds that any case may take."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    log = logging.getLogger("mr")
    before = log.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADFOLD_CACHE", "to be set")  # and put back
        log.setLevel(logging.ERROR)  # each damage is warned of
        yield Place(tmp_path_factory.mktemp("damage"))
        log.setLevel(before)


@pytest.mark.slow
@pytest.mark.timeout(size(120, 3600))
@pytest.mark.parametrize("kind", CHECKS)
def test_damage_is_found_or_harmless(kind: str, place: Place) -> None:
    began, done, found, slowest = time.perf_counter(), 0, 0, 0.0
    seeds = range(round(SHARES[kind] * size(10_000, 100_000)))
    try:
        for seed in seeds:
            start = time.perf_counter()
            found += CHECKS[kind](seed, place)
            slowest = max(slowest, time.perf_counter() - start)
            done += 1
    except Exception:
        print(f"to repeat: cd tests && python -m damaging {kind} {done}")
        raise
    finally:
        record("damage", len(seeds), len(seeds) - done, time.perf_counter() - began)
    assert slowest < LONGEST
    assert found > 0.3 * len(seeds)
