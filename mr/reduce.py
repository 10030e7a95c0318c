"""The canonical reduction: one fixed binary tree over block indexes.

Leaves are blocks. A node ``[low, high)`` is split at the largest power of two
below its length, counted from ``low``; so any aligned run of ``2**k`` blocks is
a node whatever the number of blocks, and one task can cover it. Floating-point
sums taken along this tree have the same bits whoever computes which node, in
which order, and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Node = tuple[int, int]
T = TypeVar("T")


def split(node: Node) -> tuple[Node, Node]:
    """Return the two children of a node of more than one leaf."""
    low, high = node
    middle = low + (1 << (high - low - 1).bit_length() - 1)
    return (low, middle), (middle, high)


def cover(blocks: int, tasks: int) -> list[Node]:
    """Cut ``blocks`` leaves into at least ``min(blocks, tasks)`` nodes of equal size.

    Parameters
    ----------
    blocks : int
        Number of leaves.
    tasks : int
        Number of nodes wanted, at least 1; up to twice as many are returned.

    Returns
    -------
    list of (int, int)
        Nodes of the canonical tree, in order; the last may be smaller.
    """
    size = 1
    while size < blocks and -(-blocks // (size * 2)) >= tasks:
        size *= 2
    return [(low, min(low + size, blocks)) for low in range(0, blocks, size)]


def fold(node: Node, leaf: Callable[[int], T | None], merge: Callable[[T, T], T]) -> T | None:
    """Merge the leaves under a node along the canonical tree, left before right.

    Parameters
    ----------
    node : (int, int)
        Range of leaves.
    leaf : callable
        From a leaf's index to its value, or None where it has no term.
    merge : callable
        Never called with None: absence is not added.
    """
    if node[1] - node[0] == 1:
        return leaf(node[0])
    left, right = split(node)
    return _join(fold(left, leaf, merge), fold(right, leaf, merge), merge)


class Reducer(Generic[T]):
    """Merges nodes along the canonical tree as they come in, in whatever order.

    Keeps only what cannot be merged yet: a logarithmic number of values where
    nodes come in roughly in order.

    Parameters
    ----------
    blocks : int
        Number of leaves.
    merge : callable
        Of a left and a right value.
    """

    def __init__(self, blocks: int, merge: Callable[[T, T], T]) -> None:
        self._merge = merge
        self._waiting: dict[Node, T | None] = {}
        self._kin = dict(_kin((0, blocks))) if blocks else {}
        self._root = (0, blocks)
        self._added: set[Node] = set()

    def add(self, node: Node, value: T | None) -> None:
        """Take in the value of a node, and merge it upwards as far as siblings are there.

        Raises
        ------
        ValueError
            If the node is not of the tree, or was taken in before.
        """
        if node != self._root and node not in self._kin:
            raise ValueError(f"{node} is not a node of the tree over {self._root}")
        if node in self._added:
            raise ValueError(f"{node} was added before")
        self._added.add(node)
        while node in self._kin and self._kin[node][0] in self._waiting:
            sibling, parent = self._kin[node]
            other = self._waiting.pop(sibling)
            left, right = (value, other) if node < sibling else (other, value)
            node, value = parent, _join(left, right, self._merge)
        self._waiting[node] = value

    @property
    def complete(self) -> bool:
        """Whether all leaves are in."""
        return self._root in self._waiting or self._root == (0, 0)

    def total(self) -> T | None:
        """Return the value of the whole tree.

        Raises
        ------
        ValueError
            If leaves are still missing.
        """
        if not self.complete:
            raise ValueError(f"leaves are missing: only {sorted(self._waiting)} are in")
        return self._waiting.get(self._root)


def _join(left: T | None, right: T | None, merge: Callable[[T, T], T]) -> T | None:
    if left is None:
        return right
    return left if right is None else merge(left, right)


def _kin(node: Node) -> Iterator[tuple[Node, tuple[Node, Node]]]:
    """Yield each node below ``node`` with its sibling and its parent."""
    pending = [node]
    while pending:
        parent = pending.pop()
        if parent[1] - parent[0] < 2:
            continue
        left, right = split(parent)
        yield left, (right, parent)
        yield right, (left, parent)
        pending += (left, right)
