r"""`Ranking`: what the exact area under the ROC curve needs of the data.

With the weights :math:`p_s` of positive and :math:`n_s` of negative records at score s,

.. math::
    AUC = \frac{\sum_s p_s \bigl(\sum_{t < s} n_t + \tfrac12 n_s\bigr)}{\sum_s p_s \sum_s n_s} :

the weighted share of pairs in which the positive record has the higher score, ties
counting half. No grid of thresholds and no sample: it takes the distinct scores, 24 bytes
each, sorted in every block and merged along the canonical tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.kernels.vector import dot
from mr.statistic import Statistic

Array = NDArray[Any]


class Ranking(Statistic):
    """Weights of positive and negative records by score.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Distinct and rising.
    positive, negative : ndarray of int64 or float64, shape (n,)
        Sums of weights, or numbers of records where there are no weights.
    """

    def __init__(self, score: Array, positive: Array, negative: Array) -> None:
        self.score = score
        self.positive = positive
        self.negative = negative

    @classmethod
    def of(cls, score: Array, codes: Array, weight: Array | None) -> Self:
        """Rank the records of a block.

        Parameters
        ----------
        score : ndarray of float64, shape (n,)
            In any order, no NaN.
        codes : ndarray of int, shape (n,)
            1 for positive records, 0 for negative ones.
        weight : ndarray of float64, shape (n,), or None
            None means that every record weighs 1.
        """
        distinct, place = np.unique(score, return_inverse=True)
        one = np.ones(len(score), np.int64) if weight is None else weight
        sums = [np.zeros(len(distinct), one.dtype) for _ in range(2)]
        for code, total in enumerate(sums):
            chosen = codes == code
            np.add.at(total, place[chosen], one[chosen])  # in the order of the records
        return cls(distinct, positive=sums[1], negative=sums[0])

    def arrays(self) -> Mapping[str, Array]:
        """Return scores and weights."""
        return {"score": self.score, "positive": self.positive, "negative": self.negative}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the ranking of these scores and weights."""
        return cls(**arrays)

    def merge(self, other: Self) -> Self:
        """Merge two sorted tables; where a score is in both, left is added to right."""
        score = np.concatenate([self.score, other.score])
        # Stable: two sorted runs are merged in linear time, and equal scores keep left first.
        order = np.argsort(score, kind="stable")
        score = score[order]
        first = np.flatnonzero(np.append(np.ones(1, bool), score[1:] != score[:-1])[: len(score)])
        sums = [
            np.add.reduceat(np.concatenate([left, right])[order], first)
            for left, right in (
                (self.positive, other.positive),
                (self.negative, other.negative),
            )
        ]
        return type(self)(score[first], *sums)

    def area(self) -> float | None:
        """Return the area under the ROC curve, or None where one kind of record has no weight."""
        positive, negative = self.positive.astype(float), self.negative.astype(float)
        ones = np.ones(len(positive))
        pairs = 2.0 * dot(positive, ones) * dot(negative, ones)
        if pairs == 0:
            return None
        below = np.append(0.0, np.cumsum(negative)[:-1])
        return dot(positive, 2.0 * below + negative) / pairs
