"""Names of engines and estimators, ours and others'."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

import mr.registry
from mr.errors import UsageError
from mr.registry import (
    ENGINES,
    ESTIMATORS,
    EVALUATORS,
    MODELS,
    PREDICTIONS,
    WRAPPERS,
    Entry,
    Registry,
)
from mr.retry import RetryPolicy

ALL = [ENGINES, ESTIMATORS, EVALUATORS, MODELS, PREDICTIONS, WRAPPERS]


@pytest.fixture
def installed(monkeypatch):
    """Return a list of entry points that installed packages seem to have."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(
        mr.registry, "entry_points", lambda group: [p for p in points if p.group == group]
    )
    return points


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, name) for registry in ALL for name in registry.ours],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_all_of_ours_can_be_had_and_say_what_they_are(registry, name):
    assert callable(registry.load(name))
    assert registry.entries()[name].summary


def test_engines_go_by_their_own_names():
    assert [ENGINES.load(name).name for name in ENGINES.ours] == list(ENGINES.ours)


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match="There is no engine 'spark'") as caught:
        ENGINES.load("spark")
    assert all(name in caught.value.remedy for name in ENGINES.ours)


def test_others_are_found_by_their_entry_points(installed):
    installed.append(EntryPoint("theirs", "mr.retry:RetryPolicy", "gradfold.engines"))
    assert ENGINES.load("theirs") is RetryPolicy
    assert "theirs" in ENGINES.entries()
    assert "theirs" not in ESTIMATORS.entries()


def test_ours_cannot_be_replaced(installed):
    installed.append(EntryPoint("inline", "mr.retry:RetryPolicy", "gradfold.engines"))
    assert ENGINES.load("inline").__name__ == "InlineEngine"
    assert ENGINES.entries()["inline"] == ENGINES.ours["inline"]


def test_nothing_is_imported_before_it_is_asked_for():
    registry = Registry("thing", "nothing.here", {"absent": Entry("no.such.module:x", "none")})
    assert list(registry.entries()) == ["absent"]
    with pytest.raises(ModuleNotFoundError):
        registry.load("absent")
