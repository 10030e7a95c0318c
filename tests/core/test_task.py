"""One attempt: what it computes, and what is said when it fails."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import mr
from mr import Dataset, FoldJob, Statistic, Sums
from mr.errors import InjectedFault, MalformedRecord, MapFailed, Place, UsageError
from mr.storage.cache import BlockCache
from mr.storage.reader import Reader
from mr.task import Attempt, Task, execute, injected, map_block

ATTEMPT = Attempt(Task(3, 2, 6), 1)


@pytest.fixture
def reader(tmp_path) -> Reader:
    data = Dataset.from_arrays(np.arange(16.0).reshape(8, 2), block_size=16)
    assert len(data.blocks) == 8
    return Reader(data, BlockCache(tmp_path, 1 << 20))


class Total(FoldJob):
    def map(self, block, point):
        return {"sum": block.X.sum(axis=0) * point["scale"]}


class Calls(FoldJob):
    """Does to each block what is asked."""

    def __init__(self, action) -> None:
        self.action = action

    def map(self, block, point):
        return self.action(block)


def test_has_names_that_say_what_it_is():
    assert str(ATTEMPT.task) == "p3.b2-6"
    assert str(ATTEMPT) == "p3.b2-6.a1"
    assert ATTEMPT.task.node == (2, 6)
    assert Attempt(Task(1, 9, 10), 0) < Attempt(Task(2, 0, 1), 0) < Attempt(Task(2, 0, 1), 1)


def test_covers_the_blocks_of_its_task_alone(reader):
    found = Sums.decode(execute(Total(), reader, {"scale": np.array(2.0)}, ATTEMPT))
    assert found["sum"].tolist() == [2.0 * (4 + 6 + 8 + 10), 2.0 * (5 + 7 + 9 + 11)]


def test_returns_nothing_where_no_block_has_a_term(reader):
    assert execute(Calls(lambda block: None), reader, {}, ATTEMPT) is None


def test_leaves_out_blocks_without_a_term(reader):
    job = Calls(lambda block: {"n": block.index} if block.index % 2 else None)
    assert Sums.decode(execute(job, reader, {}, ATTEMPT))["n"] == 3 + 5


def test_is_struck_when_the_last_block_is_mapped(reader):
    mapped = []

    def strike() -> None:
        assert mapped == [2, 3, 4, 5]
        raise injected(ATTEMPT)

    job = Calls(lambda block: mapped.append(block.index))
    with pytest.raises(InjectedFault) as caught:
        execute(job, reader, {}, ATTEMPT, strike=strike)
    assert caught.value.retryable
    assert caught.value.place.attempt == "p3.b2-6.a1"


def third(block) -> dict:
    return {"n": 1 // (4 - block.index)}


class TestFailure:
    def fail(self, reader, action) -> MapFailed:
        with pytest.raises(MapFailed) as caught:
            execute(Calls(action), reader, {}, ATTEMPT)
        return caught.value

    def test_names_block_and_attempt(self, reader):
        assert self.fail(reader, third).place == Place(block=4, attempt="p3.b2-6.a1")

    def test_shows_the_users_own_frames_first_and_none_of_ours(self, reader):
        error = self.fail(reader, third)
        assert str(error).startswith("Traceback (most recent call last):\n")
        assert "in third" in error.traceback
        assert "return {" in error.traceback
        assert str(Path(mr.__file__).parent) not in error.traceback
        assert "map raised ZeroDivisionError" in str(error)

    def test_keeps_a_chain_of_causes(self, reader):
        def action(block):
            try:
                third(block)
            except ZeroDivisionError as error:
                raise RuntimeError("cannot divide") from error

        shown = self.fail(reader, action).traceback
        assert shown.index("ZeroDivisionError") < shown.index("RuntimeError: cannot divide")

    def test_of_the_process_kind_stays_in_the_task(self, reader):
        assert "SystemExit: 3" in self.fail(reader, lambda block: sys.exit(3)).what

    def test_does_not_keep_ctrl_c(self, reader):
        def interrupt(block):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            execute(Calls(interrupt), reader, {}, ATTEMPT)

    def test_survives_pickling(self, reader):
        error = self.fail(reader, third)
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert again.place == error.place

    def test_of_our_own_kind_keeps_what_it_knows_and_learns_the_rest(self, reader):
        def bad(block):
            raise MalformedRecord("bad line", place=Place(file="a.csv", line=7, block=99))

        with pytest.raises(MalformedRecord) as caught:
            execute(Calls(bad), reader, {}, ATTEMPT)
        place = caught.value.place
        assert (place.file, place.line, place.block) == ("a.csv", 7, 99)
        assert place.attempt == "p3.b2-6.a1"

    def test_outside_of_a_run_names_the_block_alone(self, reader):
        with pytest.raises(MapFailed) as caught:
            map_block(Calls(third), reader, 4, {})
        assert caught.value.place == Place(block=4)

    @pytest.mark.parametrize("value", [7, "text", {"sum": object()}, {"sum": "text"}, [1.0]])
    def test_to_return_a_statistic_is_one(self, reader, value):
        with pytest.raises(UsageError, match="map returned") as caught:
            execute(Calls(lambda block: value), reader, {}, ATTEMPT)
        assert caught.value.place.block == 2
        assert caught.value.remedy


class Own(Statistic):
    """A statistic with a defect of its user's."""

    defect = ""

    def arrays(self):
        return {"x": np.array([object()]) if self.defect == "encode" else np.zeros(1)}

    @classmethod
    def from_arrays(cls, arrays):
        return cls()

    def merge(self, other):
        return 1 / 0 if self.defect == "merge" else self


@pytest.mark.parametrize(
    ("defect", "says"),
    [("merge", "merge raised ZeroDivisionError"), ("encode", "encode raised TypeError")],
)
def test_a_statistic_that_cannot_be_merged_or_encoded_is_a_failure_of_map(reader, defect, says):
    own = type("Broken", (Own,), {"defect": defect})
    with pytest.raises(MapFailed, match=says):
        execute(Calls(lambda block: own()), reader, {}, ATTEMPT)


def test_our_frames_are_left_out_wherever_we_are_installed(tmp_path):
    home = Path(mr.__file__).parent.parent
    link = tmp_path / "linked"
    link.symlink_to(home, target_is_directory=True)
    script = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {str(link)!r})
        import numpy as np, mr
        assert mr.__file__.startswith({str(link)!r}), mr.__file__
        class Bad(mr.FoldJob):
            def map(self, block, point):
                return 1 / 0
        try:
            mr.fold(Bad(), mr.Dataset.from_arrays(np.ones((1, 1))), engine="inline")
        except mr.GradfoldError as error:
            print(error.last.traceback)
        """
    )
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "in map" in shown
    assert str(link) not in shown
