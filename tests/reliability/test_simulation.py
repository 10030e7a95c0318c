"""The promise in simulation: thousands of storms, and defects that they must find."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from planted import CATALOGUE
from reliability_report import record, size
from simulating import check, check_on_storage, expected

from mr.storage import patience

PARTS = 8
"""The seeds are dealt to so many tests, to run side by side."""
FIND_WITHIN = 200
"""Seeds within which each planted defect is to be found; most are at once."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_same_bits_in_any_storm(part: int) -> None:
    began, outcomes = time.perf_counter(), Counter[str]()
    seeds = range(part, size(2_000, 100_000), PARTS)
    try:
        for seed in seeds:
            outcomes[check(seed)] += 1
    finally:
        failed = len(seeds) - outcomes.total()
        record("simulation", len(seeds), failed, time.perf_counter() - began)
    assert outcomes["same"] > 0.9 * len(seeds)  # a storm that always excuses tests nothing


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_same_bits_while_the_ledgers_storage_fails(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.0)
    began, outcomes = time.perf_counter(), Counter[str]()
    seeds = range(part, size(400, 20_000), PARTS)
    try:
        for seed in seeds:
            outcomes[check_on_storage(seed)] += 1
    finally:
        failed = len(seeds) - outcomes.total()
        record("simulation, failing storage", len(seeds), failed, time.perf_counter() - began)
    assert outcomes["same"] > 0.9 * len(seeds)


@pytest.mark.parametrize("name", CATALOGUE)
def test_finds_a_planted_defect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.perf_counter()
    expected()  # of the code as it is
    CATALOGUE[name](monkeypatch)
    found = any(_goes_wrong(seed) for seed in range(FIND_WITHIN))
    record("planted bugs", 1, int(not found), time.perf_counter() - began)
    assert found


def _goes_wrong(seed: int) -> bool:
    try:
        check(seed)
    except Exception:  # noqa: BLE001 - in whatever way it shows
        return True
    return False
