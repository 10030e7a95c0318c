"""What ``mr plan`` predicts for one and two worker processes here, against what is then measured.

``python benchmarks/plan.py [ROWS]`` writes a CSV of so many rows, plans a fit of it for one and two
workers, makes the fit on as many processes, and prints predicted and measured seconds of
preparation, of a round and of all passes, with their ratio. The goal is a ratio within
25 % of 1. Both are taken several times, and the middle one counts: the machine has other work.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from mr import Dataset, FoldJob, fold
from mr.algorithms import LogisticRegression
from mr.demo import own_cache
from mr.events import PassFinished, PassStarted
from mr.measure import measure
from mr.planning import ROUNDS, costs
from mr.registry import PLANNERS

WIDTH = 30
TRIES = 3
HERE = (
    "machines=1,cores={workers},disk=100GB,network=400Gbit,memory=64GB,latency=0.0002,start={start}"
)
"""This machine: files lie in the page cache, whose reading is part of what is measured."""


def write_data(path, rows):
    rng = np.random.default_rng(5)
    w = rng.normal(size=WIDTH)
    with path.open("w") as file:
        file.write(",".join(["y", *(f"x{i}" for i in range(WIDTH))]) + "\n")
        for start in range(0, rows, 10_000):
            X = rng.normal(size=(min(10_000, rows - start), WIDTH))
            y = (X @ w + rng.logistic(size=len(X)) > 0).astype(int)
            np.savetxt(file, np.column_stack([y, X]), fmt=["%d"] + ["%.5f"] * WIDTH, delimiter=",")


def estimator():
    return LogisticRegression(l2=1e-4, solver="lbfgs", tol=1e-8)


class Nothing(FoldJob):
    def map(self, block, point):
        return None


def start_seconds():
    """Return the seconds until a worker process has done nothing."""
    began = time.perf_counter()
    fold(Nothing(), Dataset.from_arrays(np.zeros((1, 1))), engine="processes", workers=1)
    return time.perf_counter() - began


def predicted(path, workers, rounds):
    def call(few, gauge):
        estimator().fit(few, engine="inline", listeners=(gauge,), observer=gauge.observe)

    dataset = Dataset(path, label="y")
    found = costs(measure(dataset, call, 6))
    sizes = tuple(block.nbytes for block in dataset.blocks)
    cluster = HERE.format(workers=workers, start=start_seconds())
    plan = PLANNERS.load("predict")(found, sizes, cluster, rounds=rounds)
    prelude = plan.start + sum(p.seconds for p in plan.passes if p.purpose not in ROUNDS)
    return {"preparation": prelude, "round": plan.last.seconds, "total": plan.seconds}


def measured(path, workers):
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


def middle(found):
    return {name: median(one[name] for one in found) for name in found[0]}


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
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
            guess, fact = middle(guesses), middle(facts)
            for name in guess:
                ratio = guess[name] / fact[name]
                note = "" if 0.75 <= ratio <= 1.25 else "  off"
                shown = f"{guess[name]:>10.3f}{fact[name]:>10.3f}{ratio:>7.2f}{note}"
                print(f"{workers:<8}{name:<13}{shown}")


if __name__ == "__main__":
    main()
