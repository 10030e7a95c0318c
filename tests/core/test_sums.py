"""Sums that users write: what counts, and what is told of what does not."""

from __future__ import annotations

import numpy as np
import pytest

from mr import Dataset, FoldJob, Sums, solve
from mr.algorithms.kernels.vector import dot
from mr.algorithms.solvers.lbfgs import LBFGS
from mr.errors import EmptyDataset, UsageError
from mr.statistic import as_statistic


class Absent(FoldJob):
    def map(self, block, point):
        return None


class Weightless(FoldJob):
    def map(self, block, point):
        return {"loss": 0.0, "gradient": np.zeros(2), "weight": 0.0}


def test_booleans_are_counted():
    total = Sums(hit=True, row=[True, False]).merge(Sums(hit=True, row=[True, True]))
    assert total["hit"] == 2
    assert total["row"].tolist() == [2, 1]


def test_a_sum_may_have_any_name():
    assert as_statistic({"self": 2})["self"] == 2


@pytest.mark.parametrize("value", [{1: 2.0}, {"ragged": [[1.0], [1.0, 2.0]]}, {"a": {"b": 1}}])
def test_what_cannot_be_summed_is_refused_with_the_remedy(value):
    with pytest.raises(UsageError, match="cannot be summed") as caught:
        as_statistic(value)
    assert "names to numbers" in caught.value.remedy


@pytest.mark.parametrize(("job", "what"), [(Absent(), "anything to add"), (Weightless(), "zero")])
def test_a_solver_is_never_told_of_nothing(job, what):
    with pytest.raises(EmptyDataset, match=what):
        solve(job, LBFGS(np.zeros(2)), Dataset.from_arrays(np.ones((4, 2))), engine="inline")


def test_vectors_of_different_sizes_have_no_inner_product():
    with pytest.raises(ValueError, match="no inner product"):
        dot(np.ones(1), np.ones(4096))
