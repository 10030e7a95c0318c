"""Whatever the order in which tasks end, and however many workers there are: the same statistic."""

from __future__ import annotations

import time

import pytest
from ordering import Case, check
from planted import merge_as_they_come
from reliability_report import record, size

PARTS = 2


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_same_statistic_in_any_order(part: int) -> None:
    began, seeds = time.perf_counter(), range(part, size(500, 10_000), PARTS)
    done, orders, rising = 0, set(), 0
    try:
        for seed in seeds:
            order = check(seed)
            done += 1
            orders.add((Case.draw(seed).name, order))
            rising += list(order) == sorted(order)
    finally:
        record("orders", len(seeds), len(seeds) - done, time.perf_counter() - began)
    # Those of few tasks, or of one worker, are in order; of the others each is another.
    assert len(orders) > 0.5 * min(len(seeds), 1000)
    assert rising < 0.5 * len(seeds)


def test_a_merge_as_they_come_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _check_all(range(10))  # so that what is expected is of the code as it is
    merge_as_they_come(monkeypatch)
    with pytest.raises(AssertionError, match="other bits"):
        _check_all(range(10))


def _check_all(seeds: range) -> None:
    for seed in seeds:
        check(seed)
