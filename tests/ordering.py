"""Passes whose tasks end in any order, on a virtual cluster: one case a seed.

``python -m ordering 17`` in this directory repeats a case.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from mr import Dataset, FoldJob
from mr.algorithms.evaluation import EvaluateJob
from mr.algorithms.linear import Layout
from mr.algorithms.logistic_job import LogisticJob
from mr.algorithms.model import LinearClassifier
from mr.cluster.inline import InlineEngine
from mr.cluster.simulated.engine import SimulatedEngine
from mr.cluster.simulated.spec import ClusterSpec
from mr.config import Config
from mr.events import TaskDone
from mr.ledger import MemoryLedger
from mr.session import RunOptions, Session
from mr.storage.schema import Schema
from mr.survey import SurveyJob

BLOCKS = (1, 2, 3, 7, 13, 32, 45)
ROWS = 11
"""Rows a block: their sums round, and the last tile is not full."""
WIDTH = 5


class ColumnSums(FoldJob):
    """The sums of the columns, and of what the point makes of them."""

    def map(self, block: Any, point: Any) -> dict[str, Any]:
        X = block.X
        return {"sum": X.sum(axis=0), "at": (X * point["x"][:WIDTH]).sum(), "rows": block.rows}


def _logistic(dataset: Dataset, seed: int) -> tuple[FoldJob, dict[str, Any]]:
    layout = Layout(WIDTH, 2, intercept=True)
    job = LogisticJob(_schema(dataset), layout, 1e-3, hessian=seed % 2 == 0)
    return job, _point(seed, layout.size)


def _ranking(dataset: Dataset, seed: int) -> tuple[FoldJob, dict[str, Any]]:
    # Few distinct scores, so that blocks share some.
    coefficients = _point(seed, WIDTH)["x"].round(1)[None, :]
    classes = np.array([0.0, 1.0])
    model = LinearClassifier(coefficients, np.zeros(1), classes, _schema(dataset))
    return EvaluateJob(model, ranked=True), {}


JOBS: dict[str, tuple[Callable[[Dataset, int], tuple[FoldJob, dict[str, Any]]], bool]] = {
    "column sums": (lambda _, seed: (ColumnSums(), _point(seed, WIDTH)), False),
    "survey": (lambda *_: (SurveyJob(), {}), False),
    "logistic, dense": (_logistic, False),
    "logistic, sparse": (_logistic, True),
    "ranking": (_ranking, False),
}
"""By name: how a job and its point are drawn for a dataset, and whether that is sparse."""


@dataclass(frozen=True)
class Case:
    """A job over some blocks, and a cluster of 1 to 16 workers."""

    name: str
    blocks: int
    workers: int
    seed: int

    @classmethod
    def draw(cls, seed: int) -> Case:
        """Draw one."""
        chance = random.Random(seed)
        return cls(chance.choice([*JOBS]), chance.choice(BLOCKS), chance.randint(1, 16), seed)

    @property
    def cluster(self) -> ClusterSpec:
        """A core a machine, and attempts that take up to a hundred times longer by chance."""
        spec = ClusterSpec(machines=self.workers, cores=1, replicas=0, compute=1e4)
        return replace(spec, jitter=100.0, seed=self.seed)


def check(seed: int) -> tuple[int, ...]:
    """Run a case, and return the order in which its tasks ended.

    Raises
    ------
    AssertionError
        If the statistic is not the one of an inline run, bit for bit.
    """
    case = Case.draw(seed)
    draw, sparse = JOBS[case.name]
    dataset = _data(case.blocks, sparse=sparse)
    job, point = draw(dataset, seed % 7)
    done: list[int] = []
    engine = SimulatedEngine(Config.from_environment(1), case.cluster)
    found = _pass(engine, job, dataset, point, done)
    assert found == _expected(case.name, case.blocks, seed % 7), (
        f"other bits: {case}; to repeat: cd tests && python -m ordering {seed}"
    )
    return tuple(done)


@cache
def _expected(name: str, blocks: int, seed: int) -> bytes:
    draw, sparse = JOBS[name]
    dataset = _data(blocks, sparse=sparse)
    job, point = draw(dataset, seed)
    return _pass(InlineEngine.open(Config.from_environment(1)), job, dataset, point, [])


def _pass(
    engine: Any, job: FoldJob, dataset: Dataset, point: dict[str, Any], done: list[int]
) -> bytes:
    def listen(event: object) -> None:
        if isinstance(event, TaskDone):
            done.append(event.task.low)

    session = Session(engine, Config.from_environment(1), MemoryLedger(), (listen,))
    total = session.run_pass(job, dataset, point)
    engine.close()
    assert total is not None
    return total.encode()


@cache
def _data(blocks: int, *, sparse: bool) -> Dataset:
    import scipy.sparse

    rng = np.random.default_rng([blocks, sparse])
    rows = ROWS * blocks
    X = rng.normal(size=(rows, WIDTH)) * np.exp(rng.normal(size=(rows, 1)))
    X[rng.random(X.shape) < (0.8 if sparse else 0.0)] = 0.0
    y = rng.integers(0, 2, rows).astype(float)
    given = scipy.sparse.csr_array(X) if sparse else X
    source = Dataset.from_arrays(given, y, weight=rng.random(rows)).source
    dataset = Dataset.of(source, source.nbytes // rows * ROWS)
    assert len(dataset.blocks) == blocks
    return dataset


@cache
def _schema(dataset: Dataset) -> Schema:
    with Session.open(dataset, RunOptions(engine="inline")) as session:
        return session.survey(dataset).schema


def _point(seed: int, size: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(seed).normal(size=size)}


if __name__ == "__main__":
    print(check(int(sys.argv[1])))
