"""Bad input ends in one message, an exit status, and nothing half written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from command_line import call, write_table
from pyarrow import parquet


def libsvm_line(path: Path) -> Path:
    (path / "bad.libsvm").write_text("1 1:2 2:3\n0 1:0.5 2:x\n")
    return path / "bad.libsvm"


def text_field(path: Path) -> Path:
    (path / "bad.csv").write_text("y,a,b\n1,2,3\n0,1,hello\n")
    return path / "bad.csv"


def nan(path: Path) -> Path:
    (path / "nan.csv").write_text("y,a,b\n1,2,3\n0,1,\n")
    return path / "nan.csv"


def single_class(path: Path) -> Path:
    (path / "one.csv").write_text("y,a,b\n1,2,3\n1,1,4\n")
    return path / "one.csv"


def empty(path: Path) -> Path:
    (path / "empty.csv").touch()
    return path / "empty.csv"


def empty_libsvm(path: Path) -> Path:
    (path / "empty.libsvm").touch()
    return path / "empty.libsvm"


def missing(path: Path) -> Path:
    return path / "missing.csv"


def truncated_parquet(path: Path) -> Path:
    table = pa.table({"y": [0, 1] * 500, "a": [float(i) for i in range(1000)]})
    parquet.write_table(table, path / "whole.parquet")
    whole = (path / "whole.parquet").read_bytes()
    (path / "whole.parquet").unlink()
    (path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    return path / "cut.parquet"


def mixed_formats(path: Path) -> Path:
    libsvm_line(path)
    text_field(path)
    return path


def unreachable(path: Path) -> str:
    return "http://127.0.0.1:9/x.csv"


def negative_weight(path: Path) -> Path:
    (path / "weight.csv").write_text("y,a,w\n1,2,1\n0,1,-1\n")
    return path / "weight.csv"


@pytest.mark.parametrize(
    ("make", "status", "texts"),
    [
        (libsvm_line, 1, ["bad.libsvm:2", "'x'", "cause:", "remedy:"]),
        (text_field, 1, ["bad.csv:3", "'hello'", "column b", "cause:", "remedy:"]),
        (nan, 1, ["nan.csv", "column b", "cause:", "remedy:"]),
        (single_class, 1, ["one.csv", "label 1", "cause:", "remedy:"]),
        (empty, 1, ["empty.csv", "empty", "cause:", "remedy:"]),
        (empty_libsvm, 1, ["empty.libsvm", "no records", "cause:", "remedy:"]),
        (missing, 2, ["missing.csv", "no such file", "remedy:"]),
        (truncated_parquet, 1, ["cut.parquet", "cause:", "remedy:"]),
        (mixed_formats, 2, ["csv", "libsvm", "cause:", "remedy:"]),
        (unreachable, 1, ["http://127.0.0.1:9/x.csv", "did not answer", "remedy:"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_data_that_cannot_be_learned_from(tmp_path, make, status, texts):
    data = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    model = tmp_path / "model"
    fit = ("fit", "logistic", data, "--model", model)
    if not str(data).endswith("libsvm"):
        fit += ("--label", "y")
    ended = call(*fit, "--json")
    assert ended.status == status, ended.errors
    assert ended.errors.count("Error:") == 1
    assert "Traceback" not in ended.errors
    assert not ended.output
    for text in texts:
        assert text in ended.errors
    assert sorted(tmp_path.iterdir()) == before
    assert "Traceback" in call(*fit, "--verbose").errors


def test_a_negative_weight(tmp_path):
    data = negative_weight(tmp_path)
    ended = call(
        *("fit", "logistic", data, "--label", "y", "--weight", "w", "--model", tmp_path / "model")
    )
    assert ended.status == 1
    assert "weight.csv" in ended.errors
    assert not (tmp_path / "model").exists()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv", rows=50)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--frobnicate"], "No such option"),
        (["--engine", "steam"], "no engine 'steam'"),
        (["--block-size", "large"], "not a size"),
        (["--workers", "0"], "0 workers"),
        (["--faults", "x"], "SEED"),
        (["--task-timeout", "-1"], "not positive"),
        (["--l2", "-1"], "l2 is -1"),
        (["--tol", "2"], "tol is 2"),
        (["--max-iter", "0"], "max_iter is 0"),
        (["--solver", "magic"], "'magic'"),
        (["--format", "tea"], "no format 'tea'"),
        (["--label", "z"], "z"),
        (["--only-block", "9"], "no block 9"),
        (["--test-fraction", "1.5"], "range"),
    ],
)
def test_options_that_make_no_sense(tmp_path, table, arguments, text):
    fit = ["fit", "logistic", table, "--model", tmp_path / "model", "--label", "y"]
    ended = call(*fit, *arguments)
    assert ended.status == 2, ended.errors
    assert text in ended.errors
    assert "Traceback" not in ended.errors
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["frobnicate"], "No such command"),
        (["fit", "guesswork", "x"], "No such command"),
        (["fit", "logistic"], "Missing argument"),
        (["fit", "logistic", "x.csv"], "Missing option '--model'"),
        (["predict", "m", "x.csv"], "Missing option"),
        (["resume", "nowhere"], "nowhere/plan.json"),
        (["run", "nowhere.py", "x.csv"], "no such"),
        (["evaluate", "nowhere.model", "x.csv"], "nowhere.model"),
    ],
)
def test_calls_that_make_no_sense(arguments, text):
    ended = call(*arguments)
    assert ended.status == 2, ended.errors
    assert text in ended.errors
    assert "Traceback" not in ended.errors


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(tmp_path, table):
    ended = call("fit", "logistic", table, "--label", "y", "--model", table / "model")
    assert ended.status == 2
    assert "Nothing can be written there" in ended.errors
    assert "loss" not in ended.errors


def test_a_file_that_is_no_model(table):
    ended = call("evaluate", table, table, "--label", "y")
    assert ended.status == 1
    assert str(table) in ended.errors


def test_the_binary_evaluator_names_the_other(tmp_path):
    data = write_table(tmp_path / "three.csv", classes=3)
    model = tmp_path / "model"
    assert call("fit", "logistic", data, "--label", "y", "--model", model).status == 0
    ended = call("evaluate", model, data, "--label", "y", "--evaluator", "binary")
    assert ended.status == 2
    assert "MulticlassEvaluator" in ended.errors


def test_a_warning_is_one_line_without_a_place_in_our_code(tmp_path, table):
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    ended = call("fit", "logistic", packed, "--label", "y", "--model", tmp_path / "m", "--json")
    # pytest makes warnings errors; that this one comes, and as ours, is enough.
    assert "Warning" in ended.errors
    assert ".py" not in ended.errors


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x = (", "job.py:1"),
        ("import mr\nprint(zz)\n", "job.py:2"),
        ("import mr\n", "it holds none"),
        (
            "import mr\nclass A(mr.FoldJob):\n    map = None\nclass B(A):\n    pass\n",
            "it holds A, B",
        ),
        (
            "import mr\nclass A(mr.FoldJob):\n    map = None\n    def __init__(self, width): ...\n",
            "'width'",
        ),
        (
            "import mr\nclass A(mr.FoldJob):\n    map = None\n    def solver(self): return 3\n",
            "returned int",
        ),
    ],
)
def test_job_files_that_cannot_be_used(tmp_path, table, source, text):
    job = tmp_path / "job.py"
    job.write_text(source)
    ended = call("run", job, table)
    assert ended.status == 2, ended.errors
    assert text in ended.errors
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize("text", ["width", "=3", "a b=3"])
def test_settings_that_are_none(tmp_path, table, text):
    ended = call("run", tmp_path / "job.py", table, "--set", text)
    assert ended.status == 2
    assert "key=value" in ended.errors


def test_a_run_of_another_dataset_is_not_gone_on_with(tmp_path, table):
    kept, out = tmp_path / "kept", tmp_path / "model"
    fit = ("fit", "logistic", "--label", "y", "--model", out, "--run", kept)
    assert call(*fit, table).status == 0
    other = write_table(tmp_path / "other.csv", seed=6)
    before = (kept / "plan.json").read_text()
    ended = call(*fit, other)
    assert ended.status == 2
    assert "dataset" in ended.errors
    assert (kept / "plan.json").read_text() == before
    assert json.loads(before)["call"]["command"] == "fit"
