"""``mr plan`` and ``mr simulate``: what a run would take elsewhere."""

from __future__ import annotations

import pytest
from command_line import call, succeed, write_table

ASKED = ("--machines", 20, "--cores", 2, "--network", "1Gbit", "--price", 0.5, "--failures", 0.1)


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "table.csv", rows=2000)


def plan(table, *more):
    arguments = ("--label", "y", "--block-size", "8KB", *ASKED, *more)
    return succeed("plan", "logistic", table, "--set", "solver=lbfgs", *arguments)


def test_plans_an_estimator(table):
    found = plan(table, "--passes", 7, "--scale", 30)
    assert [one["purpose"] for one in found["passes"]] == ["survey", "layout", "fit", "fit"]
    assert (found["workers"], found["rounds"]) == (40, 7)
    assert found["data_bytes"] == pytest.approx(30 * table.stat().st_size)
    last = found["passes"][-1]["seconds"]
    assert found["seconds_per_round"] == last > 0
    known = found["preparation_seconds"] + 6 * last
    assert known < found["total_seconds"] < known + 10
    assert found["slowest"] == max(found["use"], key=found["use"].get)
    assert all(0 <= share <= 1 for share in found["use"].values())
    assert found["network_bytes"] > 0
    assert found["memory_bytes_per_worker"] > 1e7
    assert found["failures_expected"] < 1
    assert found["cost"] >= 40 * 0.5 * found["total_seconds"] / 3600


def test_plans_a_job_of_ones_own(table, tmp_path):
    job = tmp_path / "job.py"
    job.write_text(
        "from mr import FoldJob\n"
        "class Mean(FoldJob):\n"
        "    def map(self, block, point):\n"
        "        return {'sum': block.X.sum(axis=0), 'rows': block.rows}\n"
    )
    found = succeed("plan", job, table, "--label", "y", "--passes", 1)
    assert [one["purpose"] for one in found["passes"]] == ["pass"]


def test_shows_figures_as_people_read_them(table):
    arguments = ("--label", "y", "--machines", 3)
    shown = call("plan", "logistic", table, *arguments)
    assert shown.status == 0, shown.errors
    assert "use: compute" in shown.output
    assert "%" in shown.output
    assert "MB" in shown.output
    assert "bytes" not in shown.output


def test_draws_a_picture(table, tmp_path):
    picture = tmp_path / "tasks.png"
    plan(table, "--picture", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "wrong",
    [("--network", "fast"), ("--machines", 0), ("--set", "nonsense"), ("--set", "l2=-1")],
)
def test_refuses_what_cannot_be(table, wrong):
    assert call("plan", "logistic", table, "--label", "y", *wrong).status == 2


def test_simulates_a_run_that_was_made(table, tmp_path):
    run = tmp_path / "run"
    made = succeed(
        "fit", "logistic", table, "--label", "y", "--solver", "lbfgs", "--block-size", "8KB",
        "--engine", "inline", "--run", run, "-o", tmp_path / "model",
    )  # fmt: skip
    found = succeed("simulate", run, "--machines", 2, "--cores", 1, "--picture", tmp_path / "p.svg")
    fits = [one for one in found["passes"] if one["purpose"] == "fit"]
    assert len(fits) == made["passes"]
    assert found["data_bytes"] == table.stat().st_size - len("y,a,b,c\n")
    assert (tmp_path / "p.svg").stat().st_size > 0
    assert "no such file" in call("simulate", tmp_path).errors.lower()


def test_an_engine_that_is_simulated_fits_the_same_model(table, tmp_path):
    fit = ("fit", "logistic", table, "--label", "y", "--solver", "lbfgs", "--block-size", "8KB")
    inline = succeed(*fit, "--engine", "inline", "-o", tmp_path / "a")
    virtual = succeed(*fit, "--engine", "simulated:machines=20", "-o", tmp_path / "b")
    assert virtual["model_digest"] == inline["model_digest"]
    assert len(virtual["workers"]) == 80
