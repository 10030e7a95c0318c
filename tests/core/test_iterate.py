"""The rounds of an iterative job: what is counted, and what is told."""

from __future__ import annotations

import numpy as np

from mr import Dataset, FoldJob, solve
from mr.algorithms.solvers.gradient_descent import GradientDescent
from mr.events import Event, PassFinished, RoundFinished, RunFinished, RunStarted

ROUNDS = 3


class LeastSquares(FoldJob):
    def map(self, block, point):
        residual = block.X @ point["x"] - block.y
        return {"loss": residual @ residual / 2, "gradient": block.X.T @ residual}


def test_each_pass_is_counted_and_told():
    told: list[Event] = []
    data = Dataset.from_arrays(np.array([[1.0], [3.0]]), np.array([1.0, 2.0]))
    solver = GradientDescent(np.zeros(1), tol=1e-12, max_iter=ROUNDS)
    outcome = solve(LeastSquares(), solver, data, engine="inline", listeners=(told.append,))
    passes = sum(isinstance(event, PassFinished) for event in told)
    assert outcome.passes == passes > ROUNDS
    assert told[0] == RunStarted("LeastSquares", "inline", len(data.blocks), 0)
    rounds = [event for event in told if isinstance(event, RoundFinished)]
    assert [event.passes for event in rounds] == list(range(1, passes + 1))
    assert rounds[-1].report == dict(outcome.report)
    assert told[-1] == RunFinished(outcome.status.value, passes)
