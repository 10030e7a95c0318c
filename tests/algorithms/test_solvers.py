"""Every solver on every problem, and the contract that all of them keep."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from math import inf, nan

import numpy as np
import pytest
from problems import logistic, minimise, quadratic, rosenbrock

from mr.algorithms.solvers.gradient_descent import GradientDescent
from mr.algorithms.solvers.lbfgs import LBFGS
from mr.algorithms.solvers.newton import Newton
from mr.solver import Evaluation, Status

SOLVERS = [LBFGS, Newton, GradientDescent]
EASY = [quadratic(1.0), quadratic(30.0), logistic(2, l2=0.1), logistic(3, l2=0.1)]
HARD = [quadratic(1e4), logistic(2, l2=1e-4), logistic(3, l2=1e-4), rosenbrock()]


def relative_gradient(problem, state):
    now = np.linalg.norm(problem.evaluate(state.x).gradient)
    return now / np.linalg.norm(problem.evaluate(problem.start).gradient)


@pytest.mark.parametrize("problem", EASY, ids=str)
@pytest.mark.parametrize("make", SOLVERS)
def test_all_solve_what_is_easy(make, problem):
    solver = make(problem.start, tol=1e-8)
    state = minimise(solver, problem.evaluate)
    assert solver.status(state) is Status.CONVERGED
    assert relative_gradient(problem, state) <= 1.01e-8
    if problem.optimum is not None:
        np.testing.assert_allclose(state.x, problem.optimum, atol=1e-6)


@pytest.mark.parametrize("problem", HARD, ids=str)
@pytest.mark.parametrize("make", [LBFGS, Newton])
def test_second_order_ones_solve_what_is_hard(make, problem):
    solver = make(problem.start, tol=1e-10, max_iter=400)
    state = minimise(solver, problem.evaluate)
    assert solver.status(state) is Status.CONVERGED
    assert relative_gradient(problem, state) <= 1.01e-10


def test_newton_minds_no_condition():
    problem = quadratic(1e10)
    solver = Newton(problem.start, tol=1e-12)
    assert solver.status(minimise(solver, problem.evaluate)) is Status.CONVERGED


def test_gradient_descent_gets_near_on_rosenbrock():
    problem = rosenbrock()
    solver = GradientDescent(problem.start, tol=1e-4, max_iter=20_000)
    state = minimise(solver, problem.evaluate)
    assert solver.status(state) is Status.CONVERGED
    np.testing.assert_allclose(state.x, problem.optimum, atol=0.05)


def test_newton_solves_a_parabola_in_one_step():
    state = minimise(Newton(quadratic(100.0).start), quadratic(100.0).evaluate)
    assert (state.iterations, state.evaluations) == (1, 2)


def test_newton_where_the_hessian_is_singular():
    def evaluate(x):
        total = x.sum() - 3  # only the sum of the coordinates matters
        return Evaluation(total**2 / 2, np.full(4, total), np.ones((4, 4)))

    solver = Newton(np.zeros(4), tol=1e-12)
    state = minimise(solver, evaluate)
    assert solver.status(state) is Status.CONVERGED
    np.testing.assert_allclose(state.x, 0.75, rtol=1e-6)


def test_newton_names_a_hessian_that_is_not_given():
    solver = Newton(np.zeros(1))
    with pytest.raises(TypeError, match="Hessian"):
        solver.tell(solver.init(), Evaluation(1.0, np.ones(1)))


def test_a_metric_makes_bad_scales_harmless():
    scales = np.geomspace(1e-6, 1e6, 10)
    inner = quadratic(20.0, 10)

    def evaluate(x):
        found = inner.evaluate(x * scales)
        return Evaluation(found.value, found.gradient * scales)

    plain = minimise(LBFGS(np.zeros(10), max_iter=200), evaluate)
    scaled = LBFGS(np.zeros(10), metric=scales**2, tol=1e-8)
    state = minimise(scaled, evaluate)
    assert abs(plain.x * scales - inner.optimum).max() > 0.1  # small scales go unnoticed
    assert scaled.status(state) is Status.CONVERGED
    assert state.evaluations < 40
    np.testing.assert_allclose(state.x * scales, inner.optimum, rtol=1e-5)


@pytest.mark.parametrize("make", SOLVERS)
def test_a_metric_is_a_change_of_coordinates(make):
    problem = logistic(2, l2=0.1)
    root = 2.0 ** np.arange(len(problem.start))  # exact in binary: no rounding differs

    def evaluate(u):
        found = problem.evaluate(u / root)
        return Evaluation(found.value, found.gradient / root, found.hessian / np.outer(root, root))

    one = minimise(make(problem.start, metric=root**2, tol=1e-8), problem.evaluate)
    other = minimise(make(problem.start, metric=np.ones_like(root), tol=1e-8), evaluate)
    assert one.evaluations == other.evaluations
    np.testing.assert_allclose(one.x, other.x / root, rtol=1e-9)


@pytest.mark.parametrize("make", SOLVERS)
class TestContract:
    def test_zero_gradient_at_the_start_has_converged(self, make):
        problem = quadratic(10.0)
        solver = make(problem.optimum)
        state = minimise(solver, problem.evaluate)
        assert solver.status(state) is Status.CONVERGED
        assert (state.iterations, state.evaluations) == (0, 1)

    def test_running_out_of_iterations_is_not_convergence(self, make):
        problem = logistic(2, l2=1e-4)
        solver = make(problem.start, tol=1e-12, max_iter=2)
        state = minimise(solver, problem.evaluate)
        assert solver.status(state) is Status.MAX_ITERATIONS
        assert not solver.status(state).converged
        assert state.iterations == 2

    @pytest.mark.parametrize("value", [nan, inf])
    def test_no_finite_objective_at_the_start(self, make, value):
        solver = make(np.zeros(2))
        state = minimise(solver, lambda x: Evaluation(value, np.ones(2), np.eye(2)))
        assert solver.status(state) is Status.DIVERGED

    def test_no_finite_objective_anywhere_else(self, make):
        def evaluate(x):
            return Evaluation(nan if x.any() else 1.0, np.ones(2), np.eye(2))

        solver = make(np.zeros(2))
        state = minimise(solver, evaluate)
        assert solver.status(state) is Status.DIVERGED
        assert not state.x.any()

    def test_shrinks_the_step_where_the_objective_is_not_finite(self, make):
        def evaluate(x):  # a barrier: finite only for x < 1
            with np.errstate(all="ignore"):
                rest = 1 - x
                value = float(-np.log(rest)[0] - 30 * x[0])
                return Evaluation(value, 1 / rest - 30, np.diag(1 / rest**2))

        solver = make(np.zeros(1), metric=np.full(1, 0.1), tol=1e-9)
        state = minimise(solver, evaluate)
        assert solver.status(state) is Status.CONVERGED
        assert state.x[0] == pytest.approx(1 - 1 / 30)

    def test_a_gradient_that_leads_nowhere_stalls(self, make):
        solver = make(np.zeros(2))
        state = minimise(solver, lambda x: Evaluation(float(abs(x).sum()), np.ones(2), np.eye(2)))
        assert solver.status(state) is Status.STALLED
        assert state.evaluations < 200

    def test_tolerance_below_rounding_ends(self, make):
        problem = logistic(2, l2=0.1)
        solver = make(problem.start, tol=1e-30)
        state = minimise(solver, problem.evaluate)
        assert solver.status(state) in {Status.STALLED, Status.MAX_ITERATIONS}
        assert relative_gradient(problem, state) < 1e-10

    def test_values_of_few_digits_do_not_stall_it(self, make):
        problem = logistic(2, l2=0.1)

        def evaluate(x):
            found = problem.evaluate(x)
            return replace(found, value=float(f"{found.value:.11g}"))

        solver = make(problem.start, tol=1e-10)
        assert solver.status(minimise(solver, evaluate)) is Status.CONVERGED

    def test_resumes_at_every_evaluation(self, make):
        problem = logistic(3, l2=0.05)
        whole = minimise(make(problem.start), problem.evaluate)
        solver = make(problem.start)
        state = solver.init()
        while not solver.status(state).done:
            solver = make(problem.start)
            state = solver.state_type(**asdict(state))
            state = solver.tell(state, problem.evaluate(solver.ask(state)["x"]))
        assert bits(state) == bits(whole)

    def test_asks_and_tells_change_nothing(self, make):
        problem = logistic(2, l2=0.05)
        solver = make(problem.start)
        state = solver.init()
        for _ in range(6):
            before, evaluation = bits(state), problem.evaluate(solver.ask(state)["x"])
            following = solver.tell(state, evaluation)
            assert bits(solver.tell(state, evaluation)) == bits(following)
            assert bits(state) == before
            state = following

    def test_state_holds_what_checkpoints_can(self, make):
        problem = logistic(2, l2=0.05)
        state = minimise(make(problem.start), problem.evaluate)
        for field in fields(state):
            value = getattr(state, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                assert type(part) in {np.ndarray, float, int, bool, str, type(None)}, field.name

    def test_reports_progress(self, make):
        problem = logistic(2, l2=0.05)
        solver = make(problem.start)
        state = minimise(solver, problem.evaluate)
        report = solver.report(state)
        assert report["loss"] == problem.evaluate(state.x).value
        assert report["gradient"] <= 1e-6
        assert report["iteration"] == state.iterations < state.evaluations


def bits(state):
    def encode(value):
        if isinstance(value, tuple):
            return [encode(part) for part in value]
        return value.tobytes() if isinstance(value, np.ndarray) else repr(value)

    return {field.name: encode(getattr(state, field.name)) for field in fields(state)}
