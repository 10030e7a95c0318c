"""``mr replay``: an attempt of a run again, with the same bits or the same error."""

from __future__ import annotations

import json

import pytest
from command_line import call, succeed, write_table

from mr.storage import directory

JOB = """
from pathlib import Path
import numpy as np
from mr import FoldJob
from mr.algorithms.solvers.lbfgs import LBFGS

class Job(FoldJob):
    def __init__(self, flag):
        self.flag = flag

    def map(self, block, point):
        residual = block.X @ point["x"] - block.y
        if block.index == 2 and point["x"].any() and Path(self.flag).exists():
            raise ArithmeticError("stumbled")
        return {"loss": residual @ residual / 2, "gradient": block.X.T @ residual}

    def solver(self):
        return LBFGS(np.zeros(3))
"""


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "table.csv", rows=2000)


@pytest.fixture
def stumbled(tmp_path, table):
    """Return a run that failed, and what the command said."""
    job, flag, run = tmp_path / "job.py", tmp_path / "flag", tmp_path / "run"
    job.write_text(JOB)
    flag.touch()
    arguments = (job, table, "--label", "y", "--set", f"flag={flag}", "--block-size", "8KB")
    ended = call("run", *arguments, "--run", run, "--checkpoint-interval", 0)
    assert ended.status == 1
    return run, ended.errors


def lines(run, event):
    names = [name for name in directory.names_in(str(run)) if name.startswith("events-")]
    text = b"".join(directory.read_bytes(f"{run}/{name}") for name in names)
    found = map(json.loads, text.splitlines())
    return [line for line in found if line["event"] == event]


class TestOfAJob:
    def test_the_message_of_a_failure_repeats_it(self, stumbled):
        run, errors = stumbled
        line = next(text for text in errors.splitlines() if "mr replay" in text)
        command = line.partition("mr ")[2].split()
        again = call(*command)
        assert again.status == 1
        assert "ArithmeticError: stumbled" in again.errors
        assert "in map" in again.errors
        assert str(run) in command

    def test_the_error_is_gone_with_its_cause(self, stumbled, tmp_path):
        run, _ = stumbled
        (tmp_path / "flag").unlink()
        found = succeed("replay", run, "p2.b2-3.a0")
        assert found["now"] == "returned"
        assert found["statistic"] == {"loss": "float64 ()", "gradient": "float64 (3,)"}
        assert found["same_bits"] is None

    def test_an_attempt_that_returned_returns_the_same_bits(self, stumbled):
        run, _ = stumbled
        (name,) = {
            line["attempt"] for line in lines(run, "AttemptFinished")
            if line["attempt"].startswith("p2.b0-1.")
        }  # fmt: skip
        assert succeed("replay", run, name)["same_bits"] is True

    def test_pdb_stops_in_the_users_code(self, stumbled, monkeypatch):
        stopped = []
        monkeypatch.setattr("pdb.post_mortem", stopped.append)
        assert call("replay", stumbled[0], "p2.b2-3.a1", "--pdb").status == 1
        (shown,) = stopped
        while shown.tb_next is not None:
            shown = shown.tb_next
        assert shown.tb_frame.f_code.co_name == "map"
        assert shown.tb_frame.f_locals["block"].index == 2

    def test_a_run_that_goes_on_numbers_its_passes_anew(self, stumbled, tmp_path):
        run, _ = stumbled
        (tmp_path / "flag").unlink()
        succeed("resume", run)
        numbers = [line["number"] for line in lines(run, "PassStarted")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert call("replay", run, "p2.b2-3.a0", "--json").json["then"].startswith("failed")

    def test_a_point_that_was_not_kept_is_said(self, stumbled, tmp_path):
        run, _ = stumbled
        (tmp_path / "flag").unlink()
        succeed("resume", run)
        ended = call("replay", run, "p3.b0-1.a0")
        assert ended.status == 2
        assert "The point of pass 3 was not kept" in ended.errors
        assert "[2, " in ended.errors

    @pytest.mark.parametrize("name", ["p9.b0-1.a0", "p1.b0-1.a9"])
    def test_an_attempt_that_never_was_is_refused(self, stumbled, name):
        ended = call("replay", stumbled[0], name)
        assert ended.status == 2
        assert "p2.b2-3.a0" in ended.errors

    @pytest.mark.parametrize("name", ["", "p1", "p1.b0-1", "p1.b0-1.ax", "what"])
    def test_what_is_no_name_is_refused(self, stumbled, name):
        assert call("replay", stumbled[0], name).status == 2

    def test_data_that_changed_is_refused(self, stumbled, table):
        table.write_text(table.read_text() + "1,0.5,0.5,0.5\n")
        ended = call("replay", stumbled[0], "p2.b2-3.a0")
        assert ended.status == 2
        assert "The data is not what the run read" in ended.errors


class TestOfAFit:
    @pytest.fixture
    def run(self, tmp_path, table):
        run = tmp_path / "run"
        succeed(
            "fit", "logistic", table, "--label", "y", "--solver", "lbfgs", "--block-size", "8KB",
            "--faults", "3:0.2:raise", "--engine", "inline", "--run", run, "-o", tmp_path / "model",
        )  # fmt: skip
        return run

    @pytest.mark.parametrize("purpose", ["survey", "layout", "fit"])
    def test_any_kind_of_pass_is_repeated_bit_for_bit(self, run, purpose):
        number = [line["number"] for line in lines(run, "PassStarted") if
                  line["purpose"] == purpose][-1]  # fmt: skip
        names = [line["attempt"] for line in lines(run, "AttemptFinished")]
        for name in [name for name in names if name.startswith(f"p{number}.")][:3]:
            found = succeed("replay", run, name)
            assert (found["same_bits"], found["purpose"]) == (True, purpose)

    def test_an_injected_fault_is_not_injected_again(self, run):
        name = lines(run, "AttemptFailed")[-1]["attempt"]
        found = succeed("replay", run, name)
        assert found["then"].startswith("failed")
        assert found["now"] == "returned"


def test_a_run_begun_in_python_is_said_to_be(tmp_path):
    import numpy as np

    from mr import Dataset
    from mr.algorithms import LogisticRegression

    X = np.random.default_rng(1).normal(size=(50, 2))
    data = Dataset.from_arrays(X, (X[:, 0] > 0).astype(float))
    LogisticRegression(l2=0.1).fit(data, run=str(tmp_path / "run"), engine="inline")
    ended = call("replay", tmp_path / "run", "p1.b0-1.a0")
    assert ended.status == 2
