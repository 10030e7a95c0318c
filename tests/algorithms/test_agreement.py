"""Coefficients agree with scikit-learn's at a tight tolerance."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
from problems import fitted
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from mr.algorithms.solvers.lbfgs import LBFGS
from mr.algorithms.solvers.newton import Newton
from mr.solver import Status

CASES = {
    "breast cancer": (load_breast_cancer, 1e-3),
    "iris": (load_iris, 1e-3),
    "digits": (load_digits, 0.1),
}
SOLVERS = {
    "lbfgs": partial(LBFGS, tol=1e-10, max_iter=500),
    "newton": partial(Newton, tol=1e-10),
}


@pytest.fixture(autouse=True)
def _one_blas_thread():
    # As in a run of ours; and threads that wait for busy cores take ten times as long.
    with threadpool_limits(1):
        yield


@cache
def reference(case):
    """Return standardised features, codes, the penalty and scikit-learn's solution."""
    load, l2 = CASES[case]
    X, y = load(return_X_y=True)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    theirs = LogisticRegression(
        C=1 / (len(X) * l2), tol=1e-12, max_iter=500, solver="newton-cholesky"
    ).fit(X, y)
    return X, y.astype(np.int32), l2, theirs.coef_, theirs.intercept_


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_scikit_learn(case, solver):
    X, y, l2, coefficients, intercepts = reference(case)
    W, b, status = fitted(X, y, l2, SOLVERS[solver])
    assert status is Status.CONVERGED
    assert abs(W - coefficients).max() <= 1e-6 * abs(coefficients).max()
    centred = intercepts - (intercepts.mean() if len(b) > 1 else 0.0)
    assert abs(b - centred).max() <= 1e-6 * abs(intercepts).max()
