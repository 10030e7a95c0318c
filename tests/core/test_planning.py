"""What passes cost, as values; and how it is measured, or read from a run's events."""

from __future__ import annotations

import numpy as np
import pytest

from mr import Dataset
from mr.algorithms import LogisticRegression
from mr.events import AttemptFailed, WorkerLost
from mr.history import events, last_pass, told
from mr.ledger import RunDirectory
from mr.measure import MEASURED_ROUNDS, Thinned, measure, told_samples
from mr.planning import PassPlan, Plan, Sample, Span, costs, retold, sizes
from mr.points import KEPT_POINTS, Points
from mr.storage.blocks import default_block_size
from mr.task import Attempt


def sample(purpose: str, rate: float, returned: int = 100) -> Sample:
    spans = [Span(i, i + 1, 10, 10 * rate, returned) for i in range(3)]
    return Sample(purpose, point_bytes=8, spans=spans, handling=0.1)


class TestCosts:
    def test_a_block_that_is_new_to_a_machine_costs_what_came_before(self):
        found = costs([sample("survey", 5.0), sample("layout", 2.0), sample("fit", 1.0)])
        assert [one.purpose for one in found.passes] == ["survey", "layout", "fit", "fit"]
        assert [one.rate for one in found.passes] == pytest.approx([5, 2, 1, 1])
        assert [one.fresh for one in found.passes] == pytest.approx([0, 5, 7, 7])

    def test_a_later_round_is_the_one_in_the_middle(self):
        rounds = [sample("fit", rate) for rate in (9.0, 1.0, 8.0, 2.0)]
        first, later = costs(rounds).passes
        assert (first.rate, later.rate) == pytest.approx((9, 2))
        assert later.fresh == pytest.approx(7)

    def test_a_run_is_retold_pass_by_pass_and_block_by_block(self):
        uneven = Sample("fit", spans=[Span(0, 2, 20, 20.0), Span(2, 3, 10, 40.0)])
        found = retold([sample("survey", 5.0), uneven, uneven])
        assert len(found.passes) == 3
        assert found.passes[1].rates == {0: 1.0, 1: 1.0, 2: 4.0}


@pytest.mark.parametrize("scale", [0.001, 1.0, 3.7, 1000.0])
def test_sizes_are_those_of_the_data_cut_up(scale):
    found = sizes(10_000_000, scale, None)
    assert sum(found) == round(10_000_000 * scale)
    assert max(found) <= default_block_size(sum(found))
    assert set(sizes(1000, 1.0, 300)) == {300, 100}


def plan(seconds: float = 10.0, added: float | None = 5.0) -> Plan:
    passes = tuple(PassPlan("fit", s, {"compute": 1.0}, 1.0, 2.0, 3.0) for s in (7.0, seconds))
    return Plan(passes, 5, 4, 1.0, 2.0, 8, 0.0, 0.0, added)


class TestPlan:
    def test_adds_up(self):
        assert plan().seconds == 1 + 7 + 4 * 10 + 2
        assert plan().total("network_bytes") == 2 * 5
        assert plan().cost(price=0.5) == pytest.approx(8 * 0.5 * 50 / 3600)

    def test_failures_add_what_each_adds_and_are_struck_themselves(self):
        assert plan().with_failures(machines=10, a_day=0.0) == 50
        lost_a_second = 10 * 864 / 86400
        assert plan().with_failures(10, 864) == pytest.approx(50 / (1 - lost_a_second * 5))
        assert plan().with_failures(100, 864) == float("inf")


def rows(count: int = 4000, blocks: int = 12) -> Dataset:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(count, 5))
    y = (X @ rng.normal(size=5) + rng.logistic(size=count) > 0).astype(float)
    return Dataset.from_arrays(X, y, block_size=(X.nbytes + 3 * y.nbytes) // blocks)


class TestMeasure:
    def test_a_thinned_source_has_some_blocks_of_the_whole(self):
        whole = rows()
        few = Dataset.of(Thinned(whole.source, 3, whole.block_size), whole.block_size)
        assert [block.index for block in few.blocks] == [0, 1, 2]
        identities = [block.identity for block in whole.blocks]
        places = [identities.index(block.identity) for block in few.blocks]
        assert places == sorted(places)
        assert places[0] > 0
        assert places[-1] < len(identities) - 1
        assert few.read(0).rows == whole.read(places[0]).rows
        assert few.source.nbytes == sum(block.nbytes for block in few.blocks)

    def test_times_the_first_passes_of_a_few_blocks(self):
        def call(dataset, gauge):
            LogisticRegression(l2=0.01, solver="lbfgs").fit(
                dataset, engine="inline", listeners=(gauge,), observer=gauge.observe
            )

        found = measure(rows(), call, 4)
        purposes = [one.purpose for one in found]
        assert purposes == ["survey", "layout"] + ["fit"] * MEASURED_ROUNDS
        assert all(span.seconds > 0 and span.nbytes > 0 for one in found for span in one.spans)
        assert all(len(one.spans) == 4 for one in found)
        fit = found[-1]
        assert fit.point_bytes == 8 * 6
        assert fit.returned >= 8 * 8
        assert fit.handling > 0
        assert fit.between > 0
        assert costs(found).held > 0


class TestRun:
    @pytest.fixture
    def run(self, tmp_path):
        path = str(tmp_path / "run")
        LogisticRegression(l2=0.01, solver="lbfgs").fit(rows(), engine="inline", run=path)
        return path

    def test_tells_of_its_passes(self, run):
        found = told_samples(events(run), rows().blocks)
        assert {one.purpose for one in found} >= {"layout", "fit"}
        for one in found:
            assert {block for span in one.spans for block in range(span.low, span.high)} == set(
                range(len(rows().blocks))
            )
        assert found[-1].point_bytes == 48

    def test_tells_what_became_of_an_attempt(self, run):
        name = [line for line in events(run) if line["event"] == "AttemptFinished"][-1]["attempt"]
        found = told(run, Attempt.parse(name))
        assert (found.purpose, found.finished, found.worker) == ("fit", True, "inline-0")
        assert found.checksum

    def test_numbers_go_on_from_driver_to_driver(self, run):
        ledger = RunDirectory(run)
        assert ledger.begun() == last_pass(run) > 0
        ledger.save("point-000099", {}, {"x": np.ones(1)})  # of a driver that wrote no more
        assert ledger.begun() == 99

    def test_keeps_the_point_of_its_last_pass(self, run):
        meta, arrays = RunDirectory(run).load("point-last")
        assert meta["pass"] == last_pass(run)
        assert arrays["x"].shape == (6,)


class TestPoints:
    def test_are_due_where_an_attempt_failed_or_was_lost(self):
        points = Points()
        for number in range(1, 6):
            points.hold(number, {"x": np.full(1, number)})
            if number == 2:
                points.note(WorkerLost("w", "killed"))
            if number in (2, 4):
                points.note(AttemptFailed(Attempt.parse(f"p{number}.b0-1.a0"), "w", ValueError()))
        assert list(points.due()) == [2, 4]
        assert points.due() == {}
        assert points.number == 5

    def test_there_are_never_more_than_are_kept(self):
        points = Points()
        for number in range(100):
            points.hold(number, {"x": np.ones(1)})
            points.note(WorkerLost("w", "killed"))
        assert list(points.due()) == list(range(100 - KEPT_POINTS, 100))

    def test_a_pass_without_a_point_needs_none(self):
        points = Points()
        points.hold(1, {})
        points.note(WorkerLost("w", "killed"))
        assert points.due() == {}
