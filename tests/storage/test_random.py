"""Randomness by record: Philox as numpy has it, uniform, and keyed by identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr.storage.random import key, philox, uniform

WORD = st.integers(0, 2**64 - 1)


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def numpys(counter: int, key: tuple[int, int]) -> list[int]:
    """Return numpy's four words at a 256-bit counter (it adds one before each)."""
    before = (counter - 1) % 2**256
    generator = np.random.Philox(counter=before, key=key[0] | key[1] << 64)
    return generator.random_raw(4).tolist()


@given(counter=st.tuples(WORD, WORD, WORD, WORD), key=st.tuples(WORD, WORD))
def test_is_philox_as_numpy_has_it(counter, key):
    found = philox(tuple(words(word) for word in counter), key)
    whole = sum(word << 64 * place for place, word in enumerate(counter))
    assert [int(word[0]) for word in found] == numpys(whole, key)


def test_gives_many_at_once_what_it_gives_one_at_a_time():
    position, zero = np.arange(1000, dtype=np.uint64), np.zeros(1000, np.uint64)
    many = philox((position, zero, zero, zero), (3, 4))
    for place in (0, 1, 499, 999):
        assert [int(word[place]) for word in many] == numpys(place, (3, 4))


def draw(rows: int, seed: int = 0, purpose: str = "split", ordinal: int = 0) -> np.ndarray:
    position = np.arange(rows, dtype=np.uint64)
    return uniform(seed, purpose, np.full(rows, ordinal, np.uint64), position)


def test_is_uniform():
    found = draw(100_000)
    assert found.min() >= 0.0
    assert found.max() < 1.0
    assert (found * 2.0**53 == np.floor(found * 2.0**53)).all()
    counts = np.histogram(found, bins=100, range=(0, 1))[0]
    chi_square = ((counts - 1000.0) ** 2 / 1000.0).sum()
    assert 60 < chi_square < 150  # of 99 degrees of freedom; the draw is fixed


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"purpose": "sample"}, {"ordinal": 1}, {"seed": -1}],
    ids=lambda change: next(iter(change)),
)
def test_another_key_or_file_gives_unrelated_numbers(other):
    one, two = draw(20_000), draw(20_000, **other)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert not (one == two).any()


def test_neighbouring_records_are_unrelated():
    found = draw(20_000)
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.03


def test_depends_on_the_record_alone_and_not_on_its_company():
    whole = draw(1000)
    picked = np.random.default_rng(1).permutation(1000)[:100]
    alone = uniform(0, "split", np.zeros(100, np.uint64), picked.astype(np.uint64))
    assert alone.tobytes() == whole[picked].tobytes()


def test_is_pinned_for_ever():
    # A split of last year must be the split of today.
    assert key(7, "split-0") == (6881810155294050770, 3554938656957376289)
    expected = [0.4562304537153715, 0.29832680013996893, 0.2642515551258068]
    assert draw(3, seed=7, purpose="split-0").tolist() == expected


@given(seed=st.integers())
def test_takes_any_integer_for_a_seed(seed):
    assert all(0 <= word < 2**64 for word in key(seed, "x"))
    assert key(seed, "x") != key(seed + 1, "x")
    assert key(seed, "x") != key(seed, "y")


def test_of_no_records_is_empty():
    assert draw(0).shape == (0,)
