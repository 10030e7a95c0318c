"""Jobs of one's own, from a call to a result."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

import mr
from mr import Dataset, Evaluation, FoldJob, RunOptions, Status, Sums, fold, solve
from mr.algorithms.solvers.lbfgs import LBFGS
from mr.drive import Driver
from mr.engine import Program, Round
from mr.errors import EmptyDataset, LedgerMismatch, MapFailed, TaskFailed, UsageError
from mr.events import AttemptFinished, WorkerJoined, WorkerLost
from mr.policies import Policies
from mr.recollection import Recollection
from mr.retry import RetryPolicy
from mr.session import Session
from mr.storage.directory import names_in
from mr.task import Task


class LeastSquares(FoldJob):
    """Half the squared error, as a user would write it."""

    def map(self, block, point):
        error = block.X @ point["x"] - block.y
        return {"loss": error @ error / 2, "gradient": block.X.T @ error, "weight": block.rows}


class Count(FoldJob):
    def map(self, block, point):
        return {"rows": block.rows}


@pytest.fixture
def problem(seed) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 6))
    return X, X @ rng.normal(size=6) + rng.normal(size=500)


@pytest.mark.parametrize("engine", ["inline", "threads"])
def test_a_users_job_with_a_solver_of_ours_finds_what_numpy_finds(problem, engine):
    X, y = problem
    data = Dataset.from_arrays(X, y, block_size=4000)
    outcome = solve(LeastSquares(), LBFGS(np.zeros(6), tol=1e-10), data, engine=engine, workers=2)
    assert outcome.status is Status.CONVERGED
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(outcome.state.x, expected, rtol=1e-7)
    assert outcome.report["loss"] == pytest.approx(np.mean((X @ expected - y) ** 2) / 2)


def test_passes_are_reads_of_the_data(problem):
    X, y = problem
    reads = []

    class Counted(LeastSquares):
        def evaluate(self, total, point):
            reads.append(int(total["weight"]))
            return super().evaluate(total, point)

    outcome = solve(Counted(), LBFGS(np.zeros(6)), Dataset.from_arrays(X, y), engine="inline")
    assert reads == [500] * outcome.passes


def test_running_out_of_iterations_is_not_convergence(problem):
    X, y = problem
    solver = LBFGS(np.zeros(6), tol=1e-12, max_iter=2)
    outcome = solve(LeastSquares(), solver, Dataset.from_arrays(X, y), engine="inline")
    assert outcome.status is Status.MAX_ITERATIONS
    assert not outcome.status.converged


def test_fold_returns_the_merged_statistic():
    data = Dataset.from_arrays(np.ones((100, 2)), block_size=64)
    assert fold(Count(), data, engine="inline")["rows"] == 100


def test_fold_counts_selected_records_alone():
    data = Dataset.from_arrays(np.ones((1000, 2)), block_size=640)
    parts = data.random_split([0.7, 0.3], seed=3)
    counts = [int(fold(Count(), part, engine="inline")["rows"]) for part in parts]
    assert sum(counts) == 1000
    assert 600 < counts[0] < 800


def test_fold_of_nothing_but_absence_is_none():
    class Absent(FoldJob):
        def map(self, block, point):
            return None

    assert fold(Absent(), Dataset.from_arrays(np.ones((10, 1)), block_size=8)) is None


def test_a_dataset_without_records_is_refused(tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(EmptyDataset, match="no records"):
        fold(Count(), Dataset(tmp_path))
    with pytest.raises(EmptyDataset):
        fold(Count(), Dataset.from_arrays(np.ones((0, 3))))


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "spark"},
        {"workers": 0},
        {"workers": -1},
        {"task_timeout": 0},
        {"task_timeout": -1.0},
        {"faults": "often"},
        {"faults": "1:2.0"},
        {"faults": "1:0.1:earthquake"},
    ],
)
def test_refuses_options_that_cannot_be_and_leaves_no_process(options):
    data, before = Dataset.from_arrays(np.ones((1, 1))), psutil.Process().children()
    with pytest.raises(UsageError) as caught:
        fold(Count(), data, **{"engine": "processes", "workers": 1, **options})
    assert caught.value.exit_status == 2
    assert psutil.Process().children() == before


def test_refuses_an_option_that_is_misspelt():
    with pytest.raises(TypeError, match="enginee"):
        fold(Count(), Dataset.from_arrays(np.ones((1, 1))), enginee="inline")


class TestAuto:
    @pytest.mark.parametrize(
        ("nbytes", "blocks", "workers", "releases_lock", "engine"),
        [
            (1 << 20, 10, 4, True, "inline"),
            (1 << 30, 10, 4, True, "threads"),
            (1 << 30, 10, 4, False, "processes"),
            (8 << 30, 10, 4, True, "processes"),
            (8 << 30, 10, 1, True, "inline"),
            (8 << 30, 1, 4, True, "inline"),
        ],
    )
    def test_goes_by_the_size_of_the_work(self, nbytes, blocks, workers, releases_lock, engine):
        class Sized:
            source = type("Source", (), {"nbytes": nbytes})

        Sized.blocks = [None] * blocks
        found = RunOptions().engine_for(Sized, workers, releases_lock=releases_lock)
        assert found == engine

    def test_stands_back_for_what_is_asked(self):
        options = RunOptions(engine="threads")
        assert options.engine_for(None, 1, releases_lock=False) == "threads"


class TestInPlace:
    """What a map is given cannot be written to, in any engine."""

    def refused(self, job, data) -> None:
        with pytest.raises(TaskFailed, match="read-only") as caught:
            solve(job, LBFGS(np.ones(2)), data, engine="inline")
        assert isinstance(caught.value.last, MapFailed)

    def test_points(self):
        class Greedy(FoldJob):
            def map(self, block, point):
                point["x"][:] = 0.0

        self.refused(Greedy(), Dataset.from_arrays(np.ones((3, 2))))

    @pytest.mark.parametrize("column", ["X", "y", "weight"])
    def test_data_in_memory(self, column):
        class Greedy(FoldJob):
            def map(self, block, point):
                getattr(block, column)[:] = 0.0

        given = {"X": np.ones((3, 2)), "y": np.ones(3), "weight": np.ones(3)}
        self.refused(Greedy(), Dataset.from_arrays(**given))
        given[column][:] = 5.0  # the caller's own arrays stay the caller's


class TestRun:
    def test_is_gone_on_with_by_the_same_call(self, problem, tmp_path):
        X, y = problem
        data = Dataset.from_arrays(X, y)
        options = {"engine": "inline", "run": str(tmp_path / "run"), "checkpoint_interval": 0.0}
        first = solve(LeastSquares(), LBFGS(np.zeros(6)), data, **options)
        again = solve(LeastSquares(), LBFGS(np.zeros(6)), data, **options)
        assert again.state.x.tobytes() == first.state.x.tobytes()
        assert again.passes == first.passes

    def test_of_other_data_is_refused(self, problem, tmp_path):
        X, y = problem
        options = {"engine": "inline", "run": str(tmp_path / "run")}
        solve(LeastSquares(), LBFGS(np.zeros(6)), Dataset.from_arrays(X, y), **options)
        with pytest.raises(LedgerMismatch, match="dataset differs"):
            solve(LeastSquares(), LBFGS(np.zeros(6)), Dataset.from_arrays(X, y + 1), **options)

    @pytest.mark.parametrize(
        ("solver", "named"),
        [
            (LBFGS(np.zeros(6), tol=1e-3), "solver"),
            (LBFGS(np.ones(6)), "solver"),
            (LBFGS(np.zeros(7)), "solver"),
        ],
        ids=["tolerance", "start", "width"],
    )
    def test_of_other_parameters_is_refused(self, problem, tmp_path, solver, named):
        data = Dataset.from_arrays(*problem)
        options = {"engine": "inline", "run": str(tmp_path / "run"), "checkpoint_interval": 0.0}
        solve(LeastSquares(), LBFGS(np.zeros(6)), data, **options)
        with pytest.raises(LedgerMismatch, match=f"its {named} differs"):
            solve(LeastSquares(), solver, data, **options)
        other = LeastSquares()
        other.l2 = 0.1
        with pytest.raises(LedgerMismatch, match="its job differs"):
            solve(other, LBFGS(np.zeros(6)), data, **options)

    def test_of_one_pass_is_written_down_too(self, tmp_path):
        run = tmp_path / "run"
        fold(Count(), Dataset.from_arrays(np.ones((5, 1))), engine="inline", run=str(run))
        assert {"events-000001.jsonl", "plan.json"} <= set(names_in(str(run)))


class Scripted:
    """An engine that returns batches of events as they are laid out."""

    name = "scripted"
    slots = 1

    def __init__(self, batches) -> None:
        self.batches = iter(batches)
        self.submitted, self.cancelled = [], []

    def clock(self) -> float:
        return 0.0

    def submit(self, work) -> None:
        self.submitted.append(work)

    def events(self, timeout):
        return [event() if callable(event) else event for event in next(self.batches)]

    def cancel(self, attempt) -> None:
        self.cancelled.append(attempt)


class TestDriver:
    round = Round(Program(Count(), Dataset.from_arrays(np.ones((2, 1)), block_size=8)), {})
    joined = tuple(WorkerJoined(name, 1, "host") for name in ("one", "two"))

    def driver(self, batches=(), **policy) -> tuple[Driver, Scripted]:
        engine = Scripted(batches)
        memory = Recollection(Policies(retry=RetryPolicy(**policy)))
        return Driver(engine, lambda event: None, memory), engine

    def test_knows_who_is_there_even_when_an_event_of_the_batch_ends_the_pass(self):
        one, two = self.joined
        driver, _ = self.driver([[one], [WorkerLost("one", "gone"), two]], losses=1)
        with pytest.raises(TaskFailed):
            driver.run_pass(self.round, [Task(1, 0, 1)])
        assert driver.workers == {"two": two}

    def test_gives_up_what_runs_when_a_pass_fails(self):
        driver, engine = self.driver([self.joined])
        with pytest.raises(StopIteration):  # the engine breaks down
            driver.run_pass(self.round, [Task(1, 0, 1), Task(1, 1, 2)])
        assert engine.cancelled == [work.attempt for work in engine.submitted]
        assert len(engine.cancelled) == 2

    def test_sends_a_node_to_the_worker_that_did_it_before(self):
        driver, engine = self.driver()

        def finish(number: int):
            def event() -> AttemptFinished:
                work = next(w for w in reversed(engine.submitted) if w.attempt.task.low == number)
                return AttemptFinished(work.attempt, work.worker, Sums(rows=1).encode())

            return event

        engine.batches = iter([self.joined, [finish(1)], [finish(0)]])
        driver.run_pass(self.round, [Task(1, 0, 1), Task(1, 1, 2)])
        driver.workers = dict(reversed(driver.workers.items()))
        engine.batches = iter([[finish(0), finish(1)]])
        total = driver.run_pass(self.round, [Task(2, 0, 1), Task(2, 1, 2)])
        assert total["rows"] == 2
        homes = {}
        for work in engine.submitted:
            homes.setdefault(work.attempt.task.node, set()).add(work.worker)
        assert homes == {(0, 1): {"one"}, (1, 2): {"two"}}


def test_workers_and_blas_threads_are_let_go_after_a_failure():
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    data = Dataset.from_arrays(np.ones((1, 1)))
    options = RunOptions(engine="threads")
    with pytest.raises(RuntimeError, match="of ours"), Session.open(data, options):
        raise RuntimeError("of ours")
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_everything_that_mr_offers_is_there():
    assert all(getattr(mr, name) is not None for name in mr.__all__)
    assert Evaluation(1.0, np.zeros(1)).hessian is None
    with pytest.raises(AttributeError, match="nothing"):
        _ = mr.nothing
