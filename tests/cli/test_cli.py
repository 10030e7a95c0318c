"""Each command's ordinary use, and what its JSON holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import COMMAND, ROOT, call, environment, succeed, write_table

import mr
from mr.algorithms import LinearClassifier

HOLDS = {
    "model_digest": str,
    "objective": float,
    "iterations": int,
    "passes": int,
    "status": str,
    "converged": bool,
    "rows": int,
    "blocks": int,
    "retries": int,
    "workers": list,
    "seconds": float,
    "decode_seconds": float,
    "fit_seconds": float,
    "engine": str,
    "metrics": dict,
    "model": str,
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv")


@pytest.fixture
def model(tmp_path: Path, table: Path) -> Path:
    succeed("fit", "logistic", table, "--label", "y", "--model", tmp_path / "a.model")
    return tmp_path / "a.model"


def test_fit_says_all_that_it_promises(tmp_path, table):
    out = tmp_path / "deep" / "a.model"
    found = succeed(
        *("fit", "logistic", table, "--label", "y", "--l2", "1e-4", "--model", out),
        *("--test-fraction", 0.2, "--seed", 7, "--engine", "inline", "--block-size", "4k"),
    )
    assert {name: type(found[name]) for name in HOLDS} == HOLDS
    assert found["rows"] + found["metrics"]["rows"] == 400
    assert found["blocks"] > 1
    assert found["converged"]
    assert found["engine"] == "inline"
    assert found["model_digest"] == LinearClassifier.load(str(out)).digest()
    (worker,) = found["workers"]
    assert worker.keys() == {"worker", "pid", "tasks"}
    assert worker["tasks"] >= found["blocks"] * found["passes"]
    assert found["seconds"] > found["fit_seconds"] > 0
    assert found["metrics"]["accuracy"] > 0.75
    assert "roc_auc" in found["metrics"]


def test_parameters_reach_the_estimator(tmp_path, table):
    fit = ("fit", "logistic", table, "--label", "y", "--model", tmp_path / "a.model")
    found = succeed(*fit, "--no-intercept", "--solver", "newton", "--max-iter", 1, "--tol", "1e-9")
    assert not found["converged"]
    assert found["iterations"] == 1
    loaded = LinearClassifier.load(str(tmp_path / "a.model"))
    assert loaded.intercepts.tolist() == [0.0]
    assert loaded.training["parameters"] == {
        "l2": 0.0,
        "fit_intercept": False,
        "tol": 1e-9,
        "max_iter": 1,
        "solver": "newton",
    }


def test_the_seed_decides_the_split(tmp_path, table):
    fit = ("fit", "logistic", table, "--label", "y", "--model", tmp_path / "a.model")
    digests = [
        succeed(*fit, "--test-fraction", 0.5, "--seed", seed)["model_digest"] for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_faults_are_injected_and_change_nothing(tmp_path, table):
    fit = ("fit", "logistic", table, "--label", "y", "--model", tmp_path / "a.model")
    fit += ("--engine", "inline", "--block-size", "4k")
    calm = succeed(*fit)
    struck = succeed(*fit, "--faults", "3:0.3:raise,kill")
    assert calm["retries"] == 0
    assert struck["retries"] > 0
    assert len(struck["workers"]) > 1
    assert struck["model_digest"] == calm["model_digest"]


def test_without_json_people_get_a_table(tmp_path, table):
    ended = call("fit", "logistic", table, "--label", "y", "--model", tmp_path / "a.model")
    assert ended.status == 0
    assert "model digest" in ended.output
    assert "loss" in ended.errors
    assert "gradient" in ended.errors


def test_evaluate_goes_by_the_number_of_classes(tmp_path, table, model):
    binary = succeed("evaluate", model, table, "--label", "y")
    assert binary["metrics"]["rows"] == 400
    assert binary["metrics"]["roc_auc"] > 0.8
    three = write_table(tmp_path / "three.csv", classes=3)
    fit = succeed("fit", "logistic", three, "--label", "y", "--model", tmp_path / "three.model")
    many = succeed("evaluate", tmp_path / "three.model", three, "--label", "y")
    assert np.shape(many["metrics"]["confusion_matrix"]) == (3, 3)
    assert many["model_digest"] == fit["model_digest"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_predict_writes_a_row_for_each_record(tmp_path, table, model, suffix):
    out = tmp_path / f"predicted.{suffix}"
    found = succeed("predict", model, table, "--label", "y", "-o", out)
    assert found["rows"] == 400
    assert found["output"] == str(out)
    if suffix == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["row"] for row in rows] == list(range(400))


def test_engines_lists_what_is_registered():
    names = {engine["name"] for engine in succeed("engines")["engines"]}
    assert {"auto", "inline", "threads", "processes"} <= names
    assert "threads" in call("engines").output


# -- mr run ---------------------------------------------------------------------

JOB = """
import numpy as np
from mr import FoldJob

class Count(FoldJob):
    def __init__(self, times=1):
        self.times = times

    def map(self, block, point):
        return {"rows": block.rows * self.times, "wide": np.zeros(5000)}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "count.py"
    path.write_text(JOB)
    return path


def test_run_shows_small_arrays_and_keeps_all(tmp_path, table, job):
    out = tmp_path / "total.npz"
    found = succeed("run", job, table, "--set", "times=3", "-o", out)
    assert found["result"]["rows"] == 1200
    assert found["result"]["wide"] == {"shape": [5000], "dtype": "float64"}
    with np.load(out) as arrays:
        assert arrays["rows"] == 1200
        assert arrays["wide"].shape == (5000,)


def test_run_does_one_block_alone(table, job):
    whole = succeed("run", job, table, "--block-size", "4k")
    parts = [
        succeed("run", job, table, "--block-size", "4k", "--only-block", block)["result"]["rows"]
        for block in range(whole["blocks"])
    ]
    assert len(parts) > 1
    assert sum(parts) == whole["result"]["rows"] == 400


def test_fit_does_one_block_alone_and_writes_nothing(tmp_path, table):
    before = sorted(tmp_path.iterdir())
    ended = call(
        *("fit", "logistic", table, "--label", "y", "--block-size", "4k", "--only-block", 1)
    )
    assert ended.status == 0, ended.errors
    assert sorted(tmp_path.iterdir()) == before


# -- mr resume ------------------------------------------------------------------


def test_resume_makes_the_same_model_again(tmp_path, table):
    kept, out = tmp_path / "kept", tmp_path / "a.model"
    first = succeed(
        *("fit", "logistic", table, "--label", "y", "--test-fraction", 0.25, "--model", out),
        *("--run", kept, "--checkpoint-interval", 0, "--solver", "lbfgs"),
    )
    out.unlink()
    again = succeed("resume", kept, "--engine", "threads", "--workers", 2)
    same = ("model_digest", "passes", "rows", "model", "metrics", "objective")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert LinearClassifier.load(str(out)).digest() == first["model_digest"]


STUMBLING = """
from pathlib import Path
import numpy as np
from mr import FoldJob
from mr.algorithms.solvers.lbfgs import LBFGS

class Stumbling(FoldJob):
    def __init__(self, flag):
        self.flag = flag

    def map(self, block, point):
        residual = block.X @ point["x"] - block.y
        if Path(self.flag).exists() and residual @ residual < 146:
            raise ArithmeticError("stumbled")
        return {"loss": residual @ residual, "gradient": 2 * block.X.T @ residual}

    def solver(self):
        return LBFGS(np.zeros(3))
"""


def test_resume_goes_on_with_a_run_that_failed(tmp_path, table):
    job, flag, kept = tmp_path / "stumbling.py", tmp_path / "flag", tmp_path / "kept"
    job.write_text(STUMBLING)
    run = ("run", job, table, "--label", "y", "--set", f"flag={flag}")
    smooth = succeed(*run)
    flag.touch()
    failed = call(*run, "--run", kept, "--checkpoint-interval", 0)
    assert failed.status == 1
    assert "stumbled" in failed.errors
    alone = call(*run, "--run", kept, "--only-block", 0)  # at the checkpoint, not at the start
    assert f"mr replay {kept} p" in failed.errors
    assert alone.status in (0, 1)
    flag.unlink()
    resumed = succeed("resume", kept)
    assert resumed["result"] == smooth["result"]
    assert resumed["passes"] == smooth["passes"]
    assert sum(worker["tasks"] for worker in resumed["workers"]) < resumed["passes"]


def test_resume_of_a_run_begun_in_python_needs_a_place_for_the_model(tmp_path, table):
    from mr.algorithms import LogisticRegression

    kept = tmp_path / "kept"
    fitted = LogisticRegression().fit(mr.Dataset(table, label="y"), run=str(kept))
    ended = call("resume", kept)
    assert ended.status == 2
    assert "--model" in ended.errors
    resumed = succeed("resume", kept, "--model", tmp_path / "a.model")
    assert resumed["model_digest"] == fitted.model_.digest()


# -- the examples, and what starts quickly --------------------------------------


def test_the_example_of_a_mean(table):
    values = np.loadtxt(table, delimiter=",", skiprows=1)[:, 1:].mean(axis=0)
    found = succeed("run", ROOT / "examples" / "mean.py", table, "--label", "y")
    assert found["result"]["mean"] == pytest.approx(values)
    assert found["result"]["rows"] == 400
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "mean.py", table],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert len(done.stdout.split()) >= 4


def test_the_example_of_least_squares(table):
    example = ROOT / "examples" / "least_squares.py"
    found = succeed("run", example, table, "--label", "y", "--set", "width=3")
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    best, *_ = np.linalg.lstsq(rows[:, 1:], rows[:, 0])
    assert found["converged"]
    assert found["result"]["x"] == pytest.approx(best, rel=1e-6)


def test_help_and_the_list_of_commands_import_nothing_heavy():
    code = (
        "import sys\nfrom mr.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'numba', 'pyarrow', 'rich', 'fsspec'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("fit", "evaluate", "predict", "run", "resume", "engines", "demo"):
        assert f"  {name} " in done.stdout


def test_options_of_an_estimator_are_made_of_its_parameters():
    text = call("fit", "logistic", "--help").output
    assert "--intercept / --no-intercept" in text
    assert "[auto|lbfgs|newton]" in text
    assert "Strength of the penalty" in text
    assert "default: 1e-06" in text


def test_it_says_its_version():
    assert call("--version").output == f"gradfold {mr.__version__}\n"


def test_it_is_a_module_too():
    done = subprocess.run(
        [*COMMAND, "engines", "--json"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert json.loads(done.stdout.splitlines()[-1])["engines"]
