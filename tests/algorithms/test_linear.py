from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import logistic, rows

from mr.algorithms.kernels.vector import dot, norm
from mr.algorithms.linear import Layout
from mr.storage.errors import InvalidWeight


@given(d=st.integers(0, 5), classes=st.integers(2, 5), intercept=st.booleans())
def test_split_and_join(d, classes, intercept):
    layout = Layout(d, classes, intercept)
    x = np.arange(1.0, layout.size + 1)
    W, b = layout.split(x)
    assert W.shape == (layout.outputs, d)
    assert b.shape == (layout.outputs,)
    assert layout.join(W, b).tolist() == x.tolist()


def test_two_classes_have_one_set_of_coefficients():
    assert Layout(3, 2).size == 4
    assert Layout(3, 3).size == 12
    assert Layout(3, 3, intercept=False).size == 9


def test_divides_once_and_penalises_once():
    layout = Layout(2, 2)
    x = np.array([3.0, 4.0, 5.0])
    hessian = np.full((3, 3), 8.0)
    found = layout.finish(6.0, (np.array([2.0, 4.0]), 8.0), 4.0, x, 0.1, hessian)
    assert found.value == pytest.approx(1.5 + 0.05 * 25)
    np.testing.assert_allclose(found.gradient, [0.5 + 0.3, 1.0 + 0.4, 2.0])
    np.testing.assert_allclose(found.hessian, 2.0 + np.diag([0.1, 0.1, 0.0]))


def test_without_intercept():
    layout = Layout(1, 3, intercept=False)
    x = np.array([1.0, 2.0, 3.0])
    hessian = np.arange(36.0).reshape(6, 6)
    found = layout.finish(1.0, (np.ones((3, 1)), np.ones(3)), 1.0, x, 0.0, hessian)
    assert found.gradient.tolist() == [1.0, 1.0, 1.0]
    assert found.hessian.tolist() == [[0.0, 2.0, 4.0], [12.0, 14.0, 16.0], [24.0, 26.0, 28.0]]


@pytest.mark.parametrize("weight", [0.0, float("nan")])
def test_weights_that_sum_to_nothing(weight):
    with pytest.raises(InvalidWeight, match="sum to"):
        Layout(1, 2).finish(0.0, (np.zeros(1), 0.0), weight, np.zeros(2), 0.0)


@pytest.mark.parametrize("classes", [2, 3])
def test_objective_by_finite_differences(classes):
    problem = logistic(classes, l2=0.3)
    x = np.random.default_rng(1).standard_normal(len(problem.start))
    here, h = problem.evaluate(x), 1e-5
    for j in range(len(x)):
        step = h * np.eye(len(x))[j]
        up, down = problem.evaluate(x + step), problem.evaluate(x - step)
        slope = (up.value - down.value) / (2 * h)
        assert here.gradient[j] == pytest.approx(slope, rel=1e-6, abs=1e-8)
        second = (up.gradient - down.gradient) / (2 * h)
        np.testing.assert_allclose(here.hessian[j], second, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
def test_metric_bounds_the_diagonal_of_the_hessian(classes):
    X, _, _ = rows(300, 6, classes)
    problem = logistic(classes, l2=1e-3)
    metric = Layout(6, classes).metric((X**2).mean(axis=0), 1e-3)
    assert (problem.evaluate(problem.start).hessian.diagonal() <= metric * (1 + 1e-12)).all()


def test_metric_of_a_column_of_zeros():
    assert Layout(2, 2).metric(np.array([0.0, 4.0]), 0.0).tolist() == [1.0, 1.0, 0.25]
    assert Layout(1, 3, intercept=False).metric(np.array([0.0]), 0.5).tolist() == [0.5] * 3


def test_centre_changes_no_probability():
    layout = Layout(2, 3)
    x = np.random.default_rng(0).standard_normal(9)
    for l2 in (0.0, 1.0):
        W, b = layout.split(layout.centre(x, l2))
        assert abs(b.sum()) < 1e-15
        assert (abs(W.sum(axis=0)).max() < 1e-15) == (l2 == 0)
    assert Layout(2, 2).centre(x[:3], 0.0).tolist() == x[:3].tolist()


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_dot_is_the_sum_of_products(values):
    a = np.array(values, np.float64)
    b = a[::-1]  # not contiguous
    assert dot(a, b) == pytest.approx(float(a @ b), rel=1e-12, abs=1e-3)


def test_long_dot_and_norm():
    a = np.random.default_rng(0).standard_normal(100_003)
    assert dot(a, a) == pytest.approx(float(a @ a), rel=1e-14)
    assert norm(np.array([3.0, 4.0])) == 5.0
    assert norm(np.array([3.0, 4.0]), np.array([9.0, 4.0])) == pytest.approx(5.0**0.5)
