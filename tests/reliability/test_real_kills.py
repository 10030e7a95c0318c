"""``kill -9`` and SIGSTOP of real workers and real drivers, at random moments of real fits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from killing import Place, check_driver, check_workers
from nursery import Nursery, nursery
from reliability_report import record, size

PARTS = 3
"""The seeds of each kind are dealt to so many tests, to run side by side."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def born() -> Iterator[Nursery]:
    with nursery(os.environ) as opened:
        yield opened


def _try(part: int, which: str, check: Callable[[int], bool]) -> None:
    """Try a share of the seeds."""
    began, done, struck = time.perf_counter(), 0, 0
    seeds = range(part, size(60, 2_000) // 2, PARTS)
    try:
        for seed in seeds:
            print(f"to repeat: cd tests && python -m killing {which} {seed}")
            struck += check(seed)
            done += 1
    finally:
        record("real kills", len(seeds), len(seeds) - done, time.perf_counter() - began)
    assert struck > 0.7 * len(seeds)  # the others had ended before their moment came


@pytest.mark.parametrize("part", range(PARTS))
def test_workers(part: int, place: Place) -> None:
    _try(part, "workers", lambda seed: check_workers(seed, place))


@pytest.mark.parametrize("part", range(PARTS))
def test_drivers(part: int, place: Place, born: Nursery) -> None:
    _try(part, "driver", lambda seed: check_driver(seed, place, born))
