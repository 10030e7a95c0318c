"""Whether and when a task is tried again."""

from __future__ import annotations

import pytest

from mr.errors import GradfoldError, InjectedFault, MalformedRecord, MapFailed, TaskTimeout
from mr.retry import RetryPolicy


@pytest.mark.parametrize(
    ("error", "failures", "again"),
    [
        (InjectedFault("x"), 1, True),
        (InjectedFault("x"), 3, True),
        (InjectedFault("x"), 4, False),
        (MapFailed("x", ""), 1, True),
        (TaskTimeout("x"), 1, True),
        (MalformedRecord("x"), 1, False),
        (GradfoldError("x"), 1, False),
    ],
)
def test_tries_again_what_may_be_mended_up_to_its_attempts(error, failures, again):
    assert RetryPolicy(attempts=4).again(error, failures) is again


def test_bears_fewer_losses_than_it_may():
    policy = RetryPolicy(losses=3)
    assert [policy.again_after_loss(losses) for losses in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        False,
    ]


def test_waits_twice_as_long_each_time_up_to_a_bound():
    policy = RetryPolicy(backoff=0.5, longest=3.0)
    assert [policy.delay(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_has_a_delay_after_any_number_of_failures():
    assert RetryPolicy().delay(1000) == 5.0
    assert RetryPolicy().delay(0) == 0.05


def test_a_single_attempt_is_never_repeated():
    assert not RetryPolicy(attempts=1).again(InjectedFault("x"), 1)
