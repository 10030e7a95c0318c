"""Functions to minimise, small data sets, and the loop that runs a solver over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mr.algorithms import losses
from mr.algorithms.kernels import dense
from mr.algorithms.kernels.tiles import to_tiles
from mr.algorithms.linear import Layout
from mr.solver import Evaluation

Function = Callable[[np.ndarray], Evaluation]


@dataclass(frozen=True)
class Problem:
    name: str
    start: np.ndarray
    evaluate: Function
    optimum: np.ndarray | None = None

    def __str__(self) -> str:
        return self.name


def minimise(solver: Any, evaluate: Function) -> Any:
    state = solver.init()
    while not solver.status(state).done:
        state = solver.tell(state, evaluate(solver.ask(state)["x"]))
    return state


def quadratic(condition: float, size: int = 12) -> Problem:
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    A = Q @ np.diag(np.geomspace(1.0, condition, size)) @ Q.T
    A = (A + A.T) / 2
    optimum = rng.standard_normal(size)

    def evaluate(x: np.ndarray) -> Evaluation:
        step = x - optimum
        return Evaluation(float(step @ A @ step) / 2, A @ step, A)

    return Problem(f"quadratic {condition:g}", np.zeros(size), evaluate, optimum)


def rosenbrock() -> Problem:
    def evaluate(x: np.ndarray) -> Evaluation:
        a, b = x
        value = 100 * (b - a * a) ** 2 + (1 - a) ** 2
        gradient = np.array([-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)])
        hessian = np.array([[1200 * a * a - 400 * b + 2, -400 * a], [-400 * a, 200.0]])
        return Evaluation(float(value), gradient, hessian)

    return Problem("rosenbrock", np.array([-1.2, 1.0]), evaluate, np.ones(2))


def logistic(classes: int = 2, n: int = 300, d: int = 6, l2: float = 1e-3) -> Problem:
    """Return a logistic problem in the plain formulas of `mr.algorithms.losses`."""
    X, y, _ = rows(n, d, classes)
    v = np.ones(n)
    layout = Layout(d, classes)

    def evaluate(x: np.ndarray) -> Evaluation:
        W, b = layout.split(x)
        if classes == 2:
            loss, g, gb = losses.binary_logistic(X, y, v, W[0], float(b[0]))
            hessian = losses.binary_hessian(X, v, W[0], float(b[0]))
            return layout.finish(loss, (g, gb), n, x, l2, hessian)
        total, G, Gb = losses.multinomial_logistic(X, y, v, W, b)
        return layout.finish(total, (G, Gb), n, x, l2, losses.multinomial_hessian(X, v, W, b))

    return Problem(f"logistic, {classes} classes", layout.zeros(), evaluate)


def rows(n: int, d: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, codes that depend on them, and weights of which some are zero."""
    rng = np.random.default_rng((seed, n, d, classes))
    X = rng.standard_normal((n, d)) * np.geomspace(0.3, 3.0, d)
    scores = X @ rng.standard_normal((d, classes)) + 2 * rng.gumbel(size=(n, classes))
    y = scores.argmax(axis=1).astype(np.int32)
    weight = rng.integers(0, 4, n) * 0.75
    return X, y, weight


def fitted(X: np.ndarray, y: np.ndarray, l2: float, make: Callable[..., Any]) -> tuple[Any, ...]:
    """Fit by the dense kernels and a solver; return weights, intercepts and the status."""
    n, d = X.shape
    layout, tiles = Layout(d, int(y.max()) + 1), to_tiles(X)
    solver = make(layout.zeros(), metric=layout.metric((X**2).mean(axis=0), l2))

    def evaluate(x: np.ndarray) -> Evaluation:
        W, b = layout.split(x)
        hessian = None
        if layout.outputs == 1:
            sums = dense.binary_logistic(tiles, n, y, None, W[0], float(b[0]))
            if solver.needs_hessian:
                hessian = dense.binary_hessian(tiles, n, None, W[0], float(b[0]))
        else:
            sums = dense.multinomial_logistic(tiles, n, y, None, W, b)
            if solver.needs_hessian:
                hessian = dense.multinomial_hessian(tiles, n, None, W, b)
        loss, gradient, gradient_intercept, weight = sums
        return layout.finish(loss, (gradient, gradient_intercept), weight, x, l2, hessian)

    state = minimise(solver, evaluate)
    return (*layout.split(layout.centre(state.x, l2)), solver.status(state))
