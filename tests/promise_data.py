"""Data and fits for the tests of the promise: one model, bit for bit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mr import Dataset
from mr.algorithms import LogisticRegression
from mr.events import AttemptStarted, Event, TaskDone, WorkerJoined, WorkerLost
from mr.storage.container import map_file

ROWS = 3000


def write_libsvm(path: Path, kind: str, *, change: bool = False) -> Path:
    """Write random rows, ``dense`` or ``sparse``; ``change`` makes one value of one row another."""
    rng = np.random.default_rng(3)
    width, stored = (6, 6) if kind == "dense" else (400, 9)
    w = rng.normal(size=width)
    lines = []
    for row in range(ROWS):
        columns = np.sort(rng.choice(width, stored, replace=False))
        values = rng.normal(size=stored).round(6)
        if change and row == ROWS // 2:
            values[0] += 1e-6
        label = int(w[columns] @ values + rng.logistic() > 0)
        fields = " ".join(f"{c + 1}:{v!r}" for c, v in zip(columns, values.tolist(), strict=True))
        lines.append(f"{label} {fields}\n")
    path.write_text("".join(lines))
    return path


@dataclass
class Story:
    """What happened in a run, for tests to look at."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def retries(self) -> int:
        return sum(event.attempt.number > 0 for event in self.of(AttemptStarted))

    @property
    def pids_that_worked(self) -> set[int]:
        pids = {event.worker: event.pid for event in self.of(WorkerJoined)}
        return {pids[event.worker] for event in self.of(TaskDone)}

    @property
    def lost_in_mid_task(self) -> set[str]:
        """The workers that were lost between an attempt's start and its end."""
        busy: dict[str, object] = {}
        lost = set()
        for event in self.events:
            match event:
                case AttemptStarted(attempt, worker):
                    busy[worker] = attempt
                case TaskDone(_, worker):
                    busy.pop(worker, None)
                case WorkerLost(worker, _):
                    if worker in busy:
                        lost.add(worker)
        return lost


def fit(path: Path, **settings: Any) -> tuple[LogisticRegression, Story]:
    """Fit by L-BFGS, whose bits are promised on every processor, over about 16 blocks."""
    story = Story()
    dataset = Dataset(path, block_size=path.stat().st_size // 16)
    estimator = LogisticRegression(l2=1e-3, solver="lbfgs", tol=1e-5)
    return estimator.fit(dataset, listeners=(story,), **settings), story


def digest_of_file(path: Path) -> str:
    """Return a saved model's digest, taken afresh from the arrays in its file."""
    _, arrays = map_file(path)
    digest = hashlib.sha256()
    for name in ("coefficients", "intercepts"):
        array = arrays[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode() + array.tobytes())
    digest.update(json.dumps(arrays["classes"].tolist()).encode())
    return digest.hexdigest()
