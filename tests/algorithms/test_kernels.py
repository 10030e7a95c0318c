"""Dense and sparse kernels against the plain formulas, and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from problems import rows
from scipy import sparse as scipy_sparse

from mr.algorithms import losses
from mr.algorithms.kernels import dense, link, sparse
from mr.algorithms.kernels.tiles import to_tiles

SIZES = [(1, 1), (63, 5), (64, 4), (65, 3), (1000, 28), (5000, 9)]
REALS = ["f4", "f8"]


class Dense:
    """The kernels for dense rows, called as those for sparse rows are."""

    def __init__(self, X):
        self.arguments = (to_tiles(X), len(X))
        self.module = dense

    def __getattr__(self, name):
        return lambda *rest: getattr(self.module, name)(*self.arguments, *rest)


class CSR(Dense):
    def __init__(self, X):
        matrix = scipy_sparse.csr_array(X)
        self.arguments = (matrix.data, matrix.indices.astype("i4"), matrix.indptr.astype("i8"))
        self.module = sparse

    def margins(self, W, b):
        return sparse.margins(*self.arguments, W, b)


KINDS = [Dense, CSR]


def data(n, d, classes, real):
    X, y, weight = rows(n, d, classes)
    X[np.random.default_rng(n).random(X.shape) < 0.3] = 0.0
    rng = np.random.default_rng(d)
    W = rng.standard_normal((1 if classes == 2 else classes, d)) * 0.7
    return X.astype(real), y, weight, W, rng.standard_normal(len(W))


def weights_of(weight, n):
    return np.ones(n) if weight is None else weight


def close(found, wanted, size):
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13 * scale * max(size, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_binary_is_the_formula(kind, real, weighted, n, d):
    X, y, weight, W, b = data(n, d, 2, real)
    weight = weight if weighted else None
    found = kind(X).binary_logistic(y, weight, W[0], b[0])
    v = weights_of(weight, n)
    loss, gradient, gradient_intercept = losses.binary_logistic(X.astype(float), y, v, W[0], b[0])
    close(found.loss, loss, n)
    close(found.gradient, gradient, n)
    close(found.gradient_intercept, gradient_intercept, n)
    assert found.weight == v.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_multinomial_is_the_formula(kind, real, weighted, n, d):
    X, y, weight, W, b = data(n, d, 3, real)
    weight = weight if weighted else None
    found = kind(X).multinomial_logistic(y, weight, W, b)
    v = weights_of(weight, n)
    loss, gradient, intercepts = losses.multinomial_logistic(X.astype(float), y, v, W, b)
    close(found.loss, loss, n)
    close(found.gradient, gradient, n)
    close(found.gradient_intercept, intercepts, n)
    assert found.weight == v.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_hessians_are_the_formula(kind, weighted, classes):
    X, _, weight, W, b = data(300, 5, classes, "f8")
    weight = weight if weighted else None
    v = weights_of(weight, 300)
    if classes == 2:
        found = kind(X).binary_hessian(weight, W[0], b[0])
        wanted = losses.binary_hessian(X, v, W[0], b[0])
    else:
        found = kind(X).multinomial_hessian(weight, W, b)
        wanted = losses.multinomial_hessian(X, v, W, b)
    close(found, wanted, 300)
    assert (found == found.T).all()


def test_hessian_in_several_chunks(monkeypatch):
    X, _, weight, W, b = data(1000, 5, 2, "f8")
    whole = losses.binary_hessian(X, weight, W[0], b[0])
    monkeypatch.setattr("mr.algorithms.kernels.hessian._CHUNK_SIZE", 1)
    for kind in KINDS:
        close(kind(X).binary_hessian(weight, W[0], b[0]), whole, 1000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("real", REALS)
def test_margins(kind, real):
    X, _, _, W, b = data(130, 7, 3, real)
    close(kind(X).margins(W, b), X.astype(float) @ W.T + b, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_several_has_the_bits_of_that_column_alone(kind):
    X, _, _, W, b = data(130, 7, 5, "f4")
    together = kind(X).margins(W, b)
    for k in range(5):
        alone = kind(X).margins(W[k : k + 1], b[k : k + 1])
        assert together[:, k].tobytes() == alone[:, 0].tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("real", REALS)
def test_no_rows(kind, real):
    X = np.zeros((0, 3), real)
    binary = kind(X).binary_logistic(np.zeros(0, np.int8), None, np.ones(3), 1.0)
    several = kind(X).multinomial_logistic(np.zeros(0), None, np.ones((3, 3)), np.ones(3))
    for found in (binary, several):
        assert found.loss == 0
        assert found.weight == 0
        assert not np.any(found.gradient)
    assert kind(X).margins(np.ones((3, 3)), np.ones(3)).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weight_zero_are_as_if_absent(kind):
    X, y, weight, W, b = data(64, 6, 2, "f8")
    weight[32:] = 0
    half = kind(X[:32]).binary_logistic(y[:32], weight[:32], W[0], b[0])
    X[32:] *= 1e300  # margins overflow there
    whole = kind(X).binary_logistic(y, weight, W[0], b[0])
    assert whole.loss == half.loss
    assert whole.gradient.tobytes() == half.gradient.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_unit_weights_are_no_weights(kind):
    X, y, _, W, b = data(1000, 6, 2, "f4")
    one = kind(X).binary_logistic(y, np.ones(1000), W[0], b[0])
    none = kind(X).binary_logistic(y, None, W[0], b[0])
    assert one.loss == none.loss
    assert one.gradient.tobytes() == none.gradient.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_margins_far_out_keep_their_digits(kind):
    X = np.array([[800.0], [-800.0], [40.0]])
    found = kind(X).binary_logistic(np.array([1, 1, 1], np.int8), None, np.ones(1), 0.0)
    assert found.loss == pytest.approx(800 + np.exp(-40.0), rel=1e-14)
    right = kind(X[2:]).binary_logistic(np.array([1], np.int8), None, np.ones(1), 0.0)
    assert right.loss == pytest.approx(np.exp(-40.0), rel=1e-14)
    assert right.gradient_intercept == pytest.approx(-np.exp(-40.0), rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3])
def test_finite_differences(kind, classes):
    X, y, weight, W, b = data(200, 4, classes, "f8")
    kernels = kind(X)

    def sums(table):
        if classes == 2:
            return kernels.binary_logistic(y, weight, table[0, :-1], table[0, -1])
        return kernels.multinomial_logistic(y, weight, table[:, :-1], table[:, -1])

    def gradient(table):
        found = sums(table)
        parts = [np.atleast_2d(found.gradient), np.reshape(found.gradient_intercept, (-1, 1))]
        return np.hstack(parts)

    table, h = np.column_stack([W, b]), 1e-5
    if classes == 2:
        hessian = kernels.binary_hessian(weight, W[0], b[0])
    else:
        hessian = kernels.multinomial_hessian(weight, W, b)
    for j in range(table.size):
        step = np.zeros(table.size)
        step[j] = h
        up, down = (table + s * step.reshape(table.shape) for s in (1, -1))
        slope = (sums(up).loss - sums(down).loss) / (2 * h)
        assert gradient(table).flat[j] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        second = (gradient(up) - gradient(down)).ravel() / (2 * h)
        np.testing.assert_allclose(hessian[j], second, rtol=1e-6, atol=1e-5)


def test_probabilities():
    z = np.random.default_rng(0).standard_normal((50, 4)) * 10
    p = link.softmax(z)
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(link.sigmoid(z[:, 0]), 1 / (1 + np.exp(-z[:, 0])), rtol=1e-14)
    np.testing.assert_allclose(link.log(p), np.log(p), rtol=1e-14)
    assert link.sigmoid(np.array([np.inf, -np.inf])).tolist() == [1.0, 0.0]
