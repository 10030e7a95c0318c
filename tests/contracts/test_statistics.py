"""The laws of statistics, bound by each of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from contracts.statistics import StatisticContract
from mr.algorithms.evaluation import Tally
from mr.algorithms.ranking import Ranking
from mr.cluster.simulated.priced import Weightless
from mr.statistic import Statistic, Sums
from mr.storage.cache import BlockCache
from mr.storage.dataset import Dataset
from mr.storage.reader import Reader
from mr.survey import Survey, SurveyJob

BLOCKS = 9
moderate = st.floats(-1e100, 1e100)
tied = st.sampled_from([-1.5, -0.0, 0.0, 0.1, 2.0, 1e-300])


def blocks(term):
    return st.lists(st.none() | term, min_size=1, max_size=BLOCKS)


def doubles(shape, elements=moderate):
    return arrays_of.arrays(np.float64, shape, elements=elements)


def survey(X, y, weight):
    dataset = Dataset.from_arrays(X, y, weight=weight)
    return SurveyJob().map(Reader(dataset, BlockCache(Path("unused"), 0)).open(0), {})


@st.composite
def surveys(draw, labels):
    rows, width = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    X = draw(doubles((rows, width), st.floats(-1e10, 1e10) | st.just(np.nan)))
    y = draw(st.lists(labels, min_size=rows, max_size=rows))
    weight = draw(st.none() | doubles(rows, st.floats(0, 10)))
    return survey(X.astype(draw(st.sampled_from([np.float32, np.float64]))), y, weight)


@st.composite
def rankings(draw, weighted):
    rows = draw(st.integers(1, 6))
    codes = draw(arrays_of.arrays(np.int8, rows, elements=st.integers(0, 1)))
    weight = draw(doubles(rows, st.floats(0.1, 3.0))) if weighted else None
    return Ranking.of(draw(doubles(rows, tied)), codes, weight)


class TestSums(StatisticContract):
    kind = Sums

    def leaves(self):
        term = st.builds(
            Sums,
            loss=moderate,
            gradient=doubles((2, 3)),
            rows=st.integers(0, 1000),
            none=doubles(0),
        )
        return blocks(term)


class TestSurvey(StatisticContract):
    kind = Survey

    def leaves(self):
        numbers = st.sampled_from([0.0, 1.0, 2.5, float("nan")])
        return blocks(surveys(numbers)) | blocks(surveys(st.sampled_from(["a", "bc", ""])))


class TestRanking(StatisticContract):
    kind = Ranking

    def leaves(self):
        return blocks(rankings(weighted=False)) | blocks(rankings(weighted=True))


class TestTally(StatisticContract):
    kind = Tally

    def leaves(self):
        sums = st.builds(Sums, loss=moderate, confusion=doubles((2, 2)))
        ranked = st.builds(Tally, sums, rankings(weighted=True))
        return blocks(ranked) | blocks(st.builds(Tally, sums))


class TestWeightless(StatisticContract):
    kind = Weightless

    def leaves(self):
        return blocks(st.builds(Weightless))


class Shares(Sums):
    """Says that it is elementwise, as sums are, and is not."""

    def merge(self, other):
        value = self["value"] + other["value"]
        return Shares(value=value / value.sum())


def test_the_suite_catches_a_merge_that_is_not_elementwise():
    class Bound(StatisticContract):
        kind = Shares

        def leaves(self):
            term = st.builds(Shares, value=doubles(3, st.floats(1.0, 9.0)))
            return st.lists(term, min_size=2, max_size=4)

    with pytest.raises(AssertionError):
        Bound().test_what_is_elementwise_may_be_cut_by_coordinates()


def test_the_suite_catches_an_operand_that_is_changed():
    class InPlace(Sums):
        def merge(self, other):
            self._arrays["value"] += other["value"]
            return self

    class Bound(StatisticContract):
        kind = InPlace

        def leaves(self):
            term = st.builds(lambda value: InPlace(value=value.copy()), doubles(2))
            return st.lists(term, min_size=2, max_size=4)

    with pytest.raises(AssertionError):
        Bound().test_merging_changes_neither_operand()


def test_every_statistic_of_ours_is_bound():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    bound = {case.kind for case in StatisticContract.__subclasses__()}
    ours = {kind for kind in below(Statistic) if kind.__module__.startswith("mr.")}
    assert ours - {Statistic} <= bound
