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
SHOWING = {"model": 0.5, "cache": 0.5, "checkpoint": 0.5, "fit": 0.0, "plan": 0.5}
"""Share of the cases in which the damage is found, at least: a fit makes most of it good."""
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
@pytest.mark.parametrize("kind", CHECKS)
def test_damage_is_found_or_harmless(kind: str, place: Place) -> None:
    began, found, slowest, wrong = time.perf_counter(), 0, 0.0, []
    seeds = range(round(SHARES[kind] * size(10_000, 100_000)))
    for seed in seeds:
        start = time.perf_counter()
        try:
            found += CHECKS[kind](seed, place)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next may say more
            repeat = f"cd tests && python -m damaging {kind} {seed}"
            wrong.append(f"{repeat}\n{type(error).__name__}: {error}")
        slowest = max(slowest, time.perf_counter() - start)
    record(f"damage, {kind}", len(seeds), len(wrong), time.perf_counter() - began)
    assert not wrong, "\n".join([f"{len(wrong)} of {len(seeds)} failed", *wrong[:5]])
    assert slowest < LONGEST
    assert found > SHOWING[kind] * len(seeds)
