"""A virtual cluster: its description, its faults, and the arithmetic of its costs."""

from __future__ import annotations

import pytest

from mr.cluster.simulated.predict import predict, repredict
from mr.cluster.simulated.spec import ClusterSpec, parse_rate
from mr.cluster.simulated.storm import Blow, Storm
from mr.cluster.simulated.world import Line, World
from mr.errors import UsageError
from mr.planning import Costs, PassCost

CALM = "jitter=0,start=1,latency=0.25,disk=10,network=100,memory=1000000"
"""Rates of bytes a second that a child can add up."""


class TestSpec:
    @pytest.mark.parametrize(
        ("text", "rate"),
        [("8bit", None), ("10Gbit", 1.25e9), ("1Mbit/s", 125e3), ("2KB", 2048), ("2KB/s", 2048)],
    )
    def test_reads_rates_of_bits_and_bytes(self, text, rate):
        if rate is None:
            with pytest.raises(UsageError):
                parse_rate(text)
        else:
            assert parse_rate(text) == rate

    def test_reads_what_is_named_and_keeps_the_rest(self):
        spec = ClusterSpec.parse("machines=100,network=10Gbit,memory=2GB,jitter=0.5,seed=3")
        assert (spec.machines, spec.cores) == (100, ClusterSpec().cores)
        assert (spec.network, spec.memory, spec.jitter, spec.seed) == (1.25e9, 2 << 30, 0.5, 3)
        assert ClusterSpec.parse("") == ClusterSpec()

    @pytest.mark.parametrize(
        "text", ["machine=3", "machines=many", "machines=0", "cores=-1", "disk=fast", "machines"]
    )
    def test_refuses_what_cannot_be(self, text):
        with pytest.raises(UsageError):
            ClusterSpec.parse(text)


class TestStorm:
    def test_is_a_function_of_its_seed(self):
        assert Storm.draw(5, 10, 100) == Storm.draw(5, 10, 100)
        assert Storm.draw(5, 10, 100) != Storm.draw(6, 10, 100)

    def test_strikes_so_many_attempts_of_the_range_with_the_kinds_asked_for(self):
        storm = Storm.draw(1, 12, 40, [Blow.KILL, Blow.HANG])
        assert len(storm.blows) == 12
        assert set(storm.blows) <= set(range(40))
        assert set(storm.blows.values()) <= {Blow.KILL, Blow.HANG}
        assert len(Storm.draw(1, 12, 5).blows) == 5
        assert Storm.calm().blows == {}


class TestWorld:
    def test_a_line_serves_one_after_the_other(self):
        line = Line(rate=10.0)
        assert line.serve(20, now=0.0) == 2.0
        assert line.serve(10, now=0.5) == 2.5
        assert line.serve(10, now=9.0) == 1.0
        assert (line.busy, line.nbytes) == (4.0, 40)

    def test_memory_forgets_what_was_used_least_lately(self):
        world = World(ClusterSpec(machines=1, cores=1, memory=30.0))
        machine = world.machines[0]
        assert [world.recalls(machine, block, 10.0) for block in (0, 1, 2, 0, 3)] == [
            False, False, False, True, False
        ]  # fmt: skip
        assert list(machine.cached) == [2, 0, 3]
        assert world.totals.most_cached == 30.0

    def test_holds_as_many_replicas_as_asked_for(self):
        world = World(ClusterSpec(machines=5, replicas=3))
        for block in range(10):
            assert sum(world.holds(machine, block) for machine in world.machines) == 3


def plan(cluster, costs, sizes, rounds=3, **more):
    return predict(costs, sizes, f"{CALM},{cluster}", rounds=rounds, **more)


class TestPrices:
    def test_one_block_is_exact(self):
        cost = PassCost("fit", rate=0.5, fresh=2.0, returned=50, point_bytes=200)
        found = plan("machines=1,cores=1,replicas=1", Costs((cost, cost), held=3.0), (40,))
        first, later = found.passes
        # Command, point while the block is read, decoding and mapping, report.
        assert first.seconds == pytest.approx(0.25 + max(2.0, 4.0) + 40 * 2.5 + 0.25 + 0.5)
        assert later.seconds == pytest.approx(0.25 + 2.0 + 40 * 0.5 + 0.25 + 0.5)
        assert (first.disk_bytes, first.memory_bytes, later.memory_bytes) == (40, 0, 120)
        assert first.network_bytes == later.network_bytes == 250
        assert found.start == pytest.approx(1.25)
        assert found.seconds == pytest.approx(found.start + first.seconds + 2 * later.seconds)
        assert later.slowest == "compute"

    def test_what_is_too_large_for_memory_is_read_from_disk_again(self):
        cost = PassCost("fit", rate=0.001)
        sizes, cluster = (100,) * 4, "machines=1,cores=1,replicas=1"
        found = plan(f"{cluster},memory=150", Costs((cost, cost)), sizes)
        assert found.last.disk_bytes == 400
        assert found.last.slowest == "disk"
        assert plan(cluster, Costs((cost, cost)), sizes).last.disk_bytes == 0

    def test_cores_of_a_machine_share_its_disk(self):
        cost = PassCost("fit", rate=0.0)
        one, two = (
            plan(f"machines=1,cores={n},replicas=1", Costs((cost,)), (100,) * 8, rounds=1)
            for n in (1, 8)
        )
        assert two.last.seconds == pytest.approx(80, rel=0.02)
        assert one.last.seconds == pytest.approx(80, rel=0.2)

    def test_a_wide_statistic_makes_the_drivers_link_the_slowest(self):
        cost = PassCost("fit", rate=0.001, returned=5000)
        found = plan("machines=8,cores=1", Costs((cost, cost)), (10,) * 64)
        assert found.last.slowest == "driver link"
        assert found.last.seconds >= 8 * 4 * 50  # tasks, each of 2 blocks

    def test_a_driver_at_work_makes_itself_the_slowest(self):
        cost = PassCost("fit", rate=0.001, between=3.0)
        found = plan("machines=8,cores=1", Costs((cost, cost), handling=1.0), (10,) * 64)
        assert found.last.slowest == "driver"
        assert found.between == 9.0

    @pytest.mark.parametrize("blocks", [1, 7, 64])
    def test_more_machines_are_never_slower(self, blocks):
        cost = PassCost("fit", rate=1.0)
        taken = [
            plan(f"machines={n},cores=1,replicas=0", Costs((cost,)), (10,) * blocks, 1).last.seconds
            for n in (1, 2, 4, 8, 16)
        ]
        assert taken == sorted(taken, reverse=True)

    def test_the_same_again_is_the_same(self):
        cost = Costs((PassCost("fit", rate=1.0), PassCost("fit", rate=0.5)))
        text = "machines=3,cores=2,jitter=0.5,seed=4"
        assert predict(cost, (10,) * 50, text, rounds=5) == predict(
            cost, (10,) * 50, text, rounds=5
        )

    def test_a_lost_machine_adds_time(self):
        cost = PassCost("fit", rate=1.0, fresh=5.0)
        found = plan("machines=4,cores=1", Costs((cost, cost)), (10,) * 32, failures=True)
        assert found.failure_seconds > 0

    def test_keeps_each_attempt_for_a_picture(self):
        cost = PassCost("fit", rate=1.0)
        found = plan("machines=4,cores=1", Costs((cost,)), (10,) * 8, rounds=1, picture=True)
        assert len(found.spans) == 8
        assert {machine for machine, *_ in found.spans} == {0, 1, 2, 3}
        assert all(number == 1 and ended > began for _, number, began, ended in found.spans)

    def test_a_run_is_repeated_block_by_block(self):
        rates = {0: 1.0, 1: 3.0}
        cost = Costs((PassCost("fit", 2.0, rates=rates),))
        found = repredict(cost, (10, 10), f"{CALM},machines=2,cores=1,replicas=2")
        assert found.seconds == pytest.approx(1.25 + 0.25 + 1.0 + 30 + 0.25)
