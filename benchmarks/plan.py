"""What ``mr plan`` predicts for one and two worker processes here, against what is then measured.

``python benchmarks/plan.py [ROWS]`` writes a CSV of so many rows, plans a fit of it for one and two
workers, makes the fit on as many processes, and prints predicted and measured seconds of
preparation, of a round and of all passes, with their ratio. The goal is a ratio within
25 % of 1. Both are taken several times, and the least counts: the machine has other work.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.csv

from mr import Dataset
from mr.algorithms import LogisticRegression
from mr.demo import own_cache
from mr.events import PassFinished, PassStarted
from mr.measure import measure
from mr.planning import ROUNDS, costs
from mr.registry import PLANNERS

WIDTH = 30
TRIES = 3
SPIN = "for _ in range(20_000_000): pass"
HERE = (
    "machines=1,cores={workers},disk=100GB,network=400Gbit,memory=64GB,latency=0.0002,start={start}"
)
"""This machine: files lie in the page cache, whose reading is part of what is measured."""


def write_data(path, rows):
    """Write rows of a known model as CSV."""
    rng = np.random.default_rng(5)
    w = rng.normal(size=WIDTH)
    X = rng.normal(size=(rows, WIDTH))
    y = (X @ w + rng.logistic(size=rows) > 0).astype(np.int64)
    columns = {"y": y, **{f"x{i}": X[:, i] for i in range(WIDTH)}}
    pyarrow.csv.write_csv(pa.table(columns), path)


def estimator():
    """Return what is fitted, unfitted."""
    return LogisticRegression(l2=1e-4, solver="lbfgs", tol=1e-8)


def start_seconds(workers):
    """Return the seconds that processes take to start and load what a fit needs.

    They are those of a fit on next to nothing, up to its first round.
    """
    X = np.random.default_rng(1).normal(size=(64, WIDTH))
    tiny = Dataset.from_arrays(X, (X[:, 0] > 0).astype(float), block_size=X.nbytes // 8)
    with tempfile.TemporaryDirectory() as cache, own_cache(Path(cache)):
        return estimator().fit(tiny, engine="processes", workers=workers).fit_.decode_seconds


def predicted(path, workers, rounds):
    """Return the seconds that a plan says."""

    def call(few, gauge):
        estimator().fit(few, engine="inline", listeners=(gauge,), observer=gauge.observe)

    dataset = Dataset(path, label="y")
    found = costs(measure(dataset, call, 6))
    sizes = tuple(block.nbytes for block in dataset.blocks)
    cluster = HERE.format(workers=workers, start=start_seconds(workers))
    plan = PLANNERS.load("predict")(found, sizes, cluster, rounds=rounds)
    prelude = plan.start + sum(p.seconds for p in plan.passes if p.purpose not in ROUNDS)
    return {"preparation": prelude, "round": plan.last.seconds, "total": plan.seconds}


def measured(path, workers):
    """Return the seconds that a fit takes, and its rounds."""
    passes, purposes = [], []

    def listen(event):
        if isinstance(event, PassStarted):
            purposes.append(event.purpose)
        elif isinstance(event, PassFinished):
            passes.append(event.seconds)

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache, own_cache(Path(cache)):
        model = estimator().fit(
            Dataset(path, label="y"), engine="processes", workers=workers, listeners=(listen,)
        )
    total = time.perf_counter() - began
    rounds = [seconds for seconds, kind in zip(passes, purposes, strict=True) if kind in ROUNDS]
    prelude = sum(passes) - sum(rounds)
    return {"preparation": prelude, "round": median(rounds[1:]), "total": total}, model.fit_.passes


def cores_to_be_had():
    """Return how many cores' worth of work two processes are given here now."""

    def spin(count):
        began = time.perf_counter()
        spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
        for process in spinning:
            process.wait()
        return time.perf_counter() - began

    alone, together = (min(spin(count) for _ in range(TRIES)) for count in (1, 2))
    return 2 * alone / together


def least(found):
    """Return the least of several measurements, name by name."""
    return {name: min(one[name] for one in found) for name in found[0]}


def main():
    """Print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    # A plan knows nothing of what else a machine does: below 1.8, figures for two mean little.
    print(f"Two processes are given {cores_to_be_had():.2f} times the work of one here, now")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data.csv"
        write_data(path, rows)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {len(Dataset(path).blocks)} blocks")
        rounds = measured(path, 2)[1]  # compiles what is to be compiled
        print(f"{'workers':<8}{'':<13}{'predicted':>10}{'measured':>10}{'ratio':>7}")
        for workers in (1, 2):
            guesses, facts = [], []
            for _ in range(TRIES):
                guesses.append(predicted(path, workers, rounds))
                facts.append(measured(path, workers)[0])
            guess, fact = least(guesses), least(facts)
            for name in guess:
                ratio = guess[name] / fact[name]
                note = "" if 0.75 <= ratio <= 1.25 else "  off"
                shown = f"{guess[name]:>10.3f}{fact[name]:>10.3f}{ratio:>7.2f}{note}"
                print(f"{workers:<8}{name:<13}{shown}")


if __name__ == "__main__":
    main()
