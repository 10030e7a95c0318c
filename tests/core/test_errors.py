"""The tree of errors: drawn, worded, and able to travel."""

from __future__ import annotations

import pickle
import re

import pytest

import mr.errors
import mr.storage.errors
from mr.errors import GradfoldError, MapFailed, Place, RunError, TaskFailed

PLACE = Place("file:///a.csv", 3, 40, None, "x", 7, "p1.b7-8.a0")


def family(cls: type) -> list[type]:
    """Return a class and all below it that are ours."""
    ours = [sub for sub in cls.__subclasses__() if sub.__module__.startswith("mr.")]
    return [cls, *(found for sub in ours for found in family(sub))]


TREE = family(GradfoldError)
PLAIN = [cls for cls in TREE if cls not in (MapFailed, TaskFailed)]


def make(cls: type) -> GradfoldError:
    """Return an error of a class with everything filled in."""
    if cls is MapFailed:
        return MapFailed("map raised it", "Traceback: in mine", PLACE)
    if cls is TaskFailed:
        return TaskFailed("each attempt failed", make(mr.errors.MalformedRecord))
    return cls("it happened", place=PLACE, cause="the moon", remedy="wait")


@pytest.mark.parametrize("cls", TREE)
def test_survives_pickling_with_all_its_attributes(cls):
    error = make(cls)
    error.add_note("and more")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == str(error)
    assert again.place == PLACE
    assert again.args == error.args
    assert again.__notes__ == ["and more"]
    if cls is TaskFailed:
        assert str(again.last) == str(error.last)
    else:
        assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", PLAIN)
def test_says_what_where_why_and_what_to_do(cls):
    assert str(make(cls)).splitlines() == [
        "it happened",
        "  where: file:///a.csv:3, byte 40, column x, block 7, attempt p1.b7-8.a0",
        "  cause: the moon",
        "  remedy: wait",
    ]


def test_says_no_more_than_is_known():
    assert str(GradfoldError("it happened")) == "it happened"
    assert str(GradfoldError("it happened", remedy="wait")) == "it happened\n  remedy: wait"


def test_a_failed_map_begins_with_the_users_own_traceback():
    assert str(make(MapFailed)).startswith("Traceback: in mine\n\nmap raised it\n  where:")


def test_a_failed_task_begins_with_what_its_last_attempt_said():
    error = make(TaskFailed)
    assert str(error).startswith(str(error.last))
    assert (error.place, error.cause, error.remedy) == (PLACE, "the moon", "wait")


@pytest.mark.parametrize("status", [1, 2])
def test_a_failed_task_ends_as_its_last_error_does(status):
    cls = mr.errors.NotFound if status == 2 else mr.errors.Unreachable
    error = pickle.loads(pickle.dumps(TaskFailed("x", cls("y"))))
    assert error.exit_status == status


@pytest.mark.parametrize("cls", TREE)
def test_is_drawn_in_the_tree_of_its_module_and_has_a_docstring(cls):
    drawing = mr.errors.__doc__ if issubclass(cls, RunError) else mr.storage.errors.__doc__
    assert re.search(rf"\b{cls.__name__}\b", drawing)
    assert cls.__doc__
    assert getattr(mr.errors, cls.__name__) is cls
    assert cls.__name__ in mr.errors.__all__


def test_the_trees_draw_nothing_that_is_not_there():
    drawn = re.findall(r"[├└]── (\w+)", mr.errors.__doc__ + mr.storage.errors.__doc__)
    assert set(drawn) | {"GradfoldError"} == {cls.__name__ for cls in TREE}


def test_the_trees_draw_parents_above_children():
    depth = {}
    for line in (mr.storage.errors.__doc__ + mr.errors.__doc__).splitlines():
        if found := re.search(r"[├└]── (\w+)", line):
            depth[found[1]] = found.start()
    for cls in TREE[1:]:
        parent = cls.__bases__[0]
        if parent is not GradfoldError:
            assert depth[parent.__name__] < depth[cls.__name__]


def test_retryable_are_only_what_another_try_may_mend():
    assert {cls.__name__ for cls in TREE if cls.retryable} == {
        "InjectedFault",
        "MapFailed",
        "TaskTimeout",
        "Unreachable",
    }


class TestPlace:
    def test_is_completed_and_never_overwritten(self):
        error = GradfoldError("x", place=Place(file="a", block=1))
        assert error.at(block=2, attempt="p", row=0) is error
        assert error.place == Place(file="a", block=1, attempt="p", row=0)

    def test_knows_zero_from_nothing(self):
        assert str(Place(offset=0, row=0, block=0)) == "byte 0, row 0, block 0"
        assert GradfoldError("x", place=Place(block=0)).at(block=5).place.block == 0

    def test_names_a_line_without_a_file(self):
        assert str(Place(line=3)) == "line 3"
        assert str(Place()) == ""
