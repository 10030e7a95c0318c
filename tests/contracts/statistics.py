"""The laws of statistics, to be bound by each: ``class TestMine(StatisticContract)``."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mr.reduce import Node, Reducer, cover, fold, split
from mr.statistic import Statistic

# Hypothesis warns of methods that several classes inherit, as those of a suite of laws are:
# what it has learned of one would be tried on the other. It does no harm here.
laws = settings(
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    max_examples=40,
)


def bits(statistic: Statistic | None) -> bytes | None:
    """Return all that a statistic is, to be compared."""
    return None if statistic is None else statistic.encode()


def merge(left: Statistic, right: Statistic) -> Statistic:
    return left.merge(right)


def total(leaves: Sequence[Statistic | None], node: Node) -> Statistic | None:
    """Return what a worker makes of a node."""
    return fold(node, leaves.__getitem__, merge)


@st.composite
def cuts(draw: st.DrawFn, node: Node) -> list[Node]:
    """Draw a cut of the work below a node into nodes of the canonical tree."""
    if node[1] - node[0] == 1 or draw(st.booleans()):
        return [node]
    left, right = split(node)
    return draw(cuts(left)) + draw(cuts(right))


class StatisticContract:
    """What every statistic does.

    Bind it by `kind`, and by `leaves`: a strategy of lists, not empty, of the
    statistics of a dataset's blocks in order, None where a block has no term.
    """

    kind: type[Statistic]

    def leaves(self) -> st.SearchStrategy[list[Statistic | None]]:
        raise NotImplementedError

    @laws
    @given(data=st.data())
    def test_any_cut_in_any_order_gives_the_same_bits(self, data):
        leaves = data.draw(self.leaves())
        root = (0, len(leaves))
        nodes = data.draw(st.permutations(data.draw(cuts(root))))
        reducer: Reducer[Statistic] = Reducer(len(leaves), merge)
        for node in nodes:
            sent = bits(total(leaves, node))
            reducer.add(node, None if sent is None else self.kind.decode(sent))
        assert bits(reducer.total()) == bits(total(leaves, root))

    @laws
    @given(data=st.data())
    def test_any_number_of_tasks_gives_the_same_bits(self, data):
        leaves = data.draw(self.leaves())
        reducer: Reducer[Statistic] = Reducer(len(leaves), merge)
        for node in cover(len(leaves), data.draw(st.integers(1, 20))):
            reducer.add(node, total(leaves, node))
        assert bits(reducer.total()) == bits(total(leaves, (0, len(leaves))))

    @laws
    @given(data=st.data())
    def test_none_is_no_term_and_is_never_added(self, data):
        leaves = data.draw(self.leaves())
        place = data.draw(st.integers(0, len(leaves) - 1))
        alone = [leaf if index == place else None for index, leaf in enumerate(leaves)]
        assert bits(total(alone, (0, len(alone)))) == bits(leaves[place])

    @laws
    @given(data=st.data())
    def test_merging_changes_neither_operand(self, data):
        there = [leaf for leaf in data.draw(self.leaves()) if leaf is not None]
        before = [bits(leaf) for leaf in there]
        total(there, (0, len(there))) if there else None
        assert [bits(leaf) for leaf in there] == before

    @laws
    @given(data=st.data())
    def test_encode_and_decode_are_a_round_trip(self, data):
        leaves = data.draw(self.leaves())
        found = total(leaves, (0, len(leaves)))
        if found is None:
            return
        back = self.kind.decode(found.encode())
        assert type(back) is type(found) is self.kind
        assert back.arrays().keys() == found.arrays().keys()
        for name, array in found.arrays().items():
            other = back.arrays()[name]
            assert (other.dtype, other.shape) == (array.dtype, array.shape)
            assert other.tobytes() == array.tobytes()

    @laws
    @given(data=st.data())
    def test_what_is_elementwise_may_be_cut_by_coordinates(self, data):
        leaves = [leaf for leaf in data.draw(self.leaves()) if leaf is not None]
        if not self.kind.elementwise or not leaves:
            return
        whole = total(leaves, (0, len(leaves)))
        for name, array in whole.arrays().items():
            place = data.draw(st.integers(0, array.size - 1)) if array.size else 0
            cut = [
                self.kind.from_arrays({name: leaf.arrays()[name].ravel()[place : place + 1]})
                for leaf in leaves
            ]
            part = total(cut, (0, len(cut))).arrays()[name]
            assert part.tobytes() == array.ravel()[place : place + 1].tobytes()
