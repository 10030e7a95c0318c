"""Fits, evaluations and predictions, one after the other in one process: nothing is left behind."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path

import pytest
from promise_data import fit, write_libsvm
from reliability_report import record, size
from soaking import Held, counted

from mr import Dataset
from mr.algorithms import BinaryEvaluator
from mr.storage import scratch

AS_ITSELF = 120 if os.environ.get("GRADFOLD_RELIABILITY") else 20
"""Seconds; ``make reliability`` takes longer than ``make test``."""
SECONDS = int(os.environ.get("GRADFOLD_SOAK_SECONDS", size(AS_ITSELF, 8 * 3600)))
GROWTH = 48 << 20
"""Bytes that memory may grow by, whatever the time: what allocators hold back."""
WARM = 6
"""Rounds before anything is counted: caches, pools and lazily made threads fill up."""

FAULTS = "7:0.05:raise,kill"
ROUNDS = [
    ("inline", None, False),
    ("threads", FAULTS, False),
    ("threads", None, True),
    ("inline", FAULTS, True),
    ("threads", None, False),
    ("processes", FAULTS, True),
]
"""Engine, faults, and whether the run is kept, over and over."""


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return [temporary, scratch.directory()]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 120)
def test_nothing_is_left_behind(tmp_path: Path, directories: list[Path]) -> None:
    data = {kind: write_libsvm(tmp_path / f"{kind}.libsvm", kind) for kind in ("dense", "sparse")}
    began, rounds, digests = time.perf_counter(), 0, {kind: set() for kind in data}
    first: Held | None = None
    problems: dict[str, list[str]] = {}
    turns = itertools.cycle([(kind, *how) for how in ROUNDS for kind in data])
    for number, (kind, engine, faults, kept) in enumerate(turns):
        run = str(tmp_path / f"run-{number}") if kept else None
        digests[kind].add(_round(data[kind], tmp_path, engine, faults, run))
        rounds += 1
        if rounds == 2 * WARM:
            first = counted(*directories)
        elif first is not None and rounds % (2 * len(ROUNDS)) == 0:
            problems = counted(*directories).more_than(first)
            if problems or time.perf_counter() - began > SECONDS:
                break
    assert first is not None
    last = counted(*directories)
    grown = last.rss - first.rss
    failed = bool(problems) + (grown > GROWTH) + any(len(found) > 1 for found in digests.values())
    record("soak", rounds, int(failed), time.perf_counter() - began)
    assert not problems, f"after {rounds} rounds there is more of: {problems}"
    assert grown < GROWTH, f"after {rounds} rounds memory has grown by {grown >> 20} MiB"
    assert all(len(found) == 1 for found in digests.values())


def _round(path: Path, tmp_path: Path, engine: str, faults: str | None, run: str | None) -> str:
    """Fit, evaluate, predict, save."""
    model, _ = fit(path, engine=engine, workers=2, faults=faults, run=run, checkpoint_interval=0)
    dataset = Dataset(path, block_size=path.stat().st_size // 4)
    found = model.transform(dataset)
    metrics = BinaryEvaluator().evaluate(found, engine="threads", workers=2)
    assert 0.6 < metrics["accuracy"] <= 1
    assert found.to_arrow(engine="threads", workers=2).num_rows == metrics["rows"]
    model.save(str(tmp_path / "model"))
    return model.model_.digest()
