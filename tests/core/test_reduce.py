"""The canonical reduction: the same bits whoever merges what, and when."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.reduce import Node, Reducer, cover, fold, split

counts = st.integers(1, 200)


def nodes(root: Node) -> set[Node]:
    """Return all nodes of the tree."""
    found, pending = set(), [root]
    while pending:
        node = pending.pop()
        found.add(node)
        if node[1] - node[0] > 1:
            pending += split(node)
    return found


def nest(left: str, right: str) -> str:
    """Merge to a text that tells the shape of the tree."""
    return f"({left}{right})"


def leaf(index: int) -> str:
    return f"{index} "


@pytest.mark.parametrize(
    ("node", "children"),
    [
        ((0, 2), ((0, 1), (1, 2))),
        ((0, 3), ((0, 2), (2, 3))),
        ((0, 4), ((0, 2), (2, 4))),
        ((0, 5), ((0, 4), (4, 5))),
        ((8, 15), ((8, 12), (12, 15))),
        ((0, 64), ((0, 32), (32, 64))),
        ((0, 65), ((0, 64), (64, 65))),
    ],
)
def test_splits_at_the_largest_power_of_two_below_the_length(node, children):
    assert split(node) == children


def test_merges_left_before_right():
    assert fold((0, 5), leaf, nest) == "(((0 1 )(2 3 ))4 )"


@given(blocks=counts, tasks=st.integers(1, 300))
def test_cover_cuts_into_nodes_of_the_tree(blocks, tasks):
    cut = cover(blocks, tasks)
    assert set(cut) <= nodes((0, blocks))
    assert [index for low, high in cut for index in range(low, high)] == list(range(blocks))
    assert min(blocks, tasks) <= len(cut) <= 2 * tasks
    assert len({high - low for low, high in cut[:-1]}) <= 1


@pytest.mark.parametrize(
    ("blocks", "tasks", "nodes"),
    [(8, 1, 1), (8, 4, 4), (8, 3, 4), (8, 5, 8), (8, 99, 8), (9, 2, 2), (1000, 8, 8), (7, 2, 2)],
)
def test_cover_makes_nodes_as_large_as_may_be(blocks, tasks, nodes):
    assert len(cover(blocks, tasks)) == nodes


def test_cover_of_nothing_is_empty():
    assert cover(0, 4) == []


@given(blocks=counts, tasks=st.integers(1, 64), order=st.randoms(use_true_random=False))
def test_reducer_makes_the_same_tree_in_any_order_and_cut(blocks, tasks, order):
    cut = cover(blocks, tasks)
    order.shuffle(cut)
    reducer = Reducer(blocks, nest)
    for node in cut:
        assert not reducer.complete
        reducer.add(node, fold(node, leaf, nest))
    assert reducer.complete
    assert reducer.total() == fold((0, blocks), leaf, nest)


@given(present=st.lists(st.booleans(), min_size=1, max_size=40))
def test_absence_is_never_merged(present):
    def some(index: int) -> str | None:
        return leaf(index) if present[index] else None

    merges = []

    def merge(left: str, right: str) -> str:
        assert left is not None
        assert right is not None
        merges.append(1)
        return nest(left, right)

    total = fold((0, len(present)), some, merge)
    assert (total is None) == (not any(present))
    assert len(merges) == max(0, sum(present) - 1)


def test_merges_one_time_less_than_there_are_leaves():
    merges = []
    reducer = Reducer(100, lambda a, b: merges.append(1) or a + b)
    for index in range(100):
        reducer.add((index, index + 1), 1)
    assert reducer.total() == 100
    assert len(merges) == 99


def test_keeps_few_values_where_nodes_come_in_order():
    reducer = Reducer(1024, int.__add__)
    most = 0
    for index in range(1024):
        reducer.add((index, index + 1), 1)
        most = max(most, len(reducer._waiting))
    assert most <= 11


@pytest.mark.parametrize("node", [(1, 3), (0, 3), (4, 6), (0, 8), (2, 2)])
def test_refuses_what_is_no_node(node):
    with pytest.raises(ValueError, match="not a node"):
        Reducer(5, nest).add(node, "x")


def test_refuses_a_node_twice_even_when_it_was_merged_already():
    reducer = Reducer(4, nest)
    reducer.add((0, 1), "a")
    reducer.add((1, 2), "b")
    with pytest.raises(ValueError, match="added before"):
        reducer.add((0, 1), "a")


def test_has_no_total_before_all_leaves_are_in():
    reducer = Reducer(3, nest)
    reducer.add((0, 2), "x")
    with pytest.raises(ValueError, match=r"missing: only \[\(0, 2\)\]"):
        reducer.total()


def test_the_total_of_nothing_is_none():
    assert Reducer(0, nest).complete
    assert Reducer(0, nest).total() is None


class InOrderOfCompletion:
    """The mutant: merges whatever comes with whatever came before."""

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, node: Node, value: float) -> None:
        self.value = value if self.value is None else self.value + value


def test_bits_depend_on_the_tree_alone_and_the_mutant_is_told_apart(seed):
    draw = random.Random(seed)
    values = [draw.gauss(0, 1) * 10.0 ** draw.randint(-8, 8) for _ in range(64)]
    canonical, mutated = set(), set()
    for _ in range(20):
        reducer, mutant = Reducer(64, float.__add__), InOrderOfCompletion()
        cut = cover(64, draw.choice([1, 4, 16, 64]))
        draw.shuffle(cut)
        for node in cut:
            value = fold(node, values.__getitem__, float.__add__)
            reducer.add(node, value)
            mutant.add(node, value)
        canonical.add(reducer.total().hex())
        mutated.add(mutant.value.hex())
    assert len(canonical) == 1
    assert len(mutated) > 1
