"""A run's directory: what it holds, what it refuses, and going on from any point of it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import fsspec
import numpy as np
import pytest

from mr import Dataset, Sums
from mr.algorithms import LogisticRegression
from mr.errors import InjectedFault, LedgerMismatch, NotFound, UsageError
from mr.events import (
    AttemptFailed,
    AttemptFinished,
    CheckpointWritten,
    PassFinished,
    RoundFinished,
    WorkerJoined,
)
from mr.ledger import MemoryLedger, RunDirectory
from mr.plan import read_plan
from mr.storage import directory
from mr.task import Attempt, Task

PLAN = {"identity": {"estimator": "logistic", "l2": 0.1}, "recipe": None}


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["local", "memory"])
def url(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "run")
    else:
        where = f"memory://runs/{tmp_path.name}"
        yield where
        fs, path = fsspec.url_to_fs(where)
        if fs.exists(path):
            fs.rm(path, recursive=True)


def overwrite(uri: str, data: bytes) -> None:
    """Write a file as something else than ourselves would."""
    fs, path = fsspec.url_to_fs(uri)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, data)


def names(url: str, prefix: str) -> list[str]:
    return [name for name in directory.names_in(url) if name.startswith(prefix)]


def lines(url: str) -> list[dict]:
    """Return all events, read by a reader that knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = b"".join(directory.read_bytes(f"{url}/{name}") for name in names(url, "events-"))
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def state(number: int) -> tuple[dict, dict]:
    return {"number": number}, {"x": np.full(3, float(number))}


class TestPlan:
    def test_is_written_first_and_once(self, url):
        RunDirectory.open(url, PLAN)
        before = directory.read_bytes(f"{url}/plan.json")
        RunDirectory.open(url, {**PLAN, "recipe": {"other": 1}})
        assert directory.read_bytes(f"{url}/plan.json") == before
        assert read_plan(url) == PLAN

    @pytest.mark.parametrize(
        ("identity", "named"),
        [
            ({"estimator": "logistic", "l2": 0.2}, "l2"),
            ({"estimator": "linear", "l2": 0.1}, "estimator"),
            ({"estimator": "logistic"}, "l2"),
            ({"estimator": "logistic", "l2": 0.1, "tol": 1e-6}, "tol"),
        ],
    )
    def test_of_another_run_is_refused_by_the_field_that_differs(self, url, identity, named):
        RunDirectory.open(url, PLAN)
        with pytest.raises(LedgerMismatch, match=f"its {named} differs") as caught:
            RunDirectory.open(url, {"identity": identity})
        assert caught.value.place.file == url
        assert caught.value.exit_status == 2
        assert caught.value.remedy

    def test_of_the_same_run_is_the_same_after_json(self, url):
        plan = {"identity": {"shares": (0.8, 0.2), "where": np.dtype("float32")}}
        RunDirectory.open(url, plan)
        RunDirectory.open(url, plan)

    @pytest.mark.parametrize("body", [b"{", b"", b"[1]", b"\xff\xfe\x00", b"null"])
    def test_that_cannot_be_read_is_named(self, url, body):
        overwrite(f"{url}/plan.json", body)
        with pytest.raises(UsageError, match="plan") as caught:
            RunDirectory.open(url, PLAN)
        assert caught.value.place.file == f"{url}/plan.json"

    def test_of_no_run_is_not_found(self, url):
        with pytest.raises(NotFound):
            read_plan(url)


class TestCheckpoints:
    def test_keep_the_newest_two(self, url):
        ledger = RunDirectory.open(url, PLAN, interval=0)
        for passes in range(1, 6):
            assert ledger.checkpoint(passes, *state(passes))
        assert names(url, "checkpoint-") == ["checkpoint-000004.gfc", "checkpoint-000005.gfc"]
        passes, (meta, arrays) = ledger.newest()
        assert (passes, meta["number"], arrays["x"].tolist()) == (5, 5, [5.0] * 3)

    def test_are_written_once_an_interval(self, url):
        clock = Clock()
        ledger = RunDirectory(url, interval=10.0, clock=clock)
        written = []
        for passes, now in enumerate([1, 9, 10, 11, 19, 20, 35], 1):
            clock.now = now
            if ledger.checkpoint(passes, *state(passes)):
                written.append(now)
        assert written == [10, 20, 35]

    @pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], bytes.swapcase])
    def test_a_torn_one_is_passed_over_with_a_warning(self, url, damage, caplog):
        ledger = RunDirectory.open(url, PLAN, interval=0)
        ledger.checkpoint(1, *state(1))
        ledger.checkpoint(2, *state(2))
        newest = f"{url}/checkpoint-000002.gfc"
        overwrite(newest, damage(directory.read_bytes(newest)))
        with caplog.at_level(logging.WARNING, "mr.ledger"):
            passes, (meta, _) = RunDirectory.open(url, PLAN).newest()
        assert (passes, meta["number"]) == (1, 1)
        assert "checkpoint-000002.gfc" in caplog.text

    def test_there_is_none_at_first_nor_where_all_are_torn(self, url):
        ledger = RunDirectory.open(url, PLAN, interval=0)
        assert ledger.newest() is None
        ledger.checkpoint(1, *state(1))
        overwrite(f"{url}/checkpoint-000001.gfc", b"torn")
        assert ledger.newest() is None


class TestEvents:
    def test_are_lines_of_json_in_order(self, url):
        ledger = RunDirectory.open(url, PLAN)
        attempt = Attempt(Task(3, 8, 16), 1)
        error = InjectedFault("it failed", remedy="none")
        ledger.record(WorkerJoined("worker-0", 42, "localhost"))
        ledger.record(AttemptFailed(attempt, "worker-0", error))
        ledger.record(AttemptFinished(attempt, "worker-0", Sums(one=1).encode()))
        ledger.record(PassFinished(3, 0.25))
        ledger.flush()
        found = lines(url)
        assert [line["event"] for line in found] == [
            "WorkerJoined",
            "AttemptFailed",
            "AttemptFinished",
            "PassFinished",
        ]
        assert found[0]["pid"] == 42
        assert found[1]["attempt"] == "p3.b8-16.a1"
        assert found[1]["error"] == str(error)
        assert "payload" not in found[2]
        assert found[2]["nbytes"] == len(Sums(one=1).encode())
        assert len(found[2]["checksum"]) == 8
        assert found[3]["seconds"] == 0.25
        assert all(line["time"] > 0 for line in found)

    def test_take_whatever_a_solver_reports(self, url):
        report = {
            "loss": float("nan"),
            "gradient": np.float32(0.5),
            "iteration": np.int64(3),
            "step": np.float64("inf"),
            "name": "x",
        }
        ledger = RunDirectory.open(url, PLAN)
        ledger.record(RoundFinished(1, report))
        ledger.flush()
        (line,) = lines(url)
        assert line["report"] == {
            "loss": "nan",
            "gradient": 0.5,
            "iteration": 3,
            "step": "inf",
            "name": "x",
        }

    def test_segments_are_never_written_again(self, url):
        for passes in range(3):
            ledger = RunDirectory.open(url, PLAN)
            ledger.record(PassFinished(passes, 1.0))
            ledger.flush()
            ledger.flush()
        first = f"{url}/events-000001.jsonl"
        assert len(names(url, "events-")) == 3
        directory.remove(first)
        kept = {name: directory.read_bytes(f"{url}/{name}") for name in names(url, "events-")}
        ledger = RunDirectory.open(url, PLAN)
        ledger.record(PassFinished(9, 1.0))
        ledger.flush()
        assert names(url, "events-") == [*kept, "events-000004.jsonl"]
        assert all(directory.read_bytes(f"{url}/{name}") == kept[name] for name in kept)

    def test_go_with_a_checkpoint(self, url):
        ledger = RunDirectory.open(url, PLAN, interval=0)
        ledger.record(PassFinished(1, 1.0))
        ledger.checkpoint(1, *state(1))
        assert [line["number"] for line in lines(url)] == [1]


def test_what_is_saved_is_loaded_and_what_is_damaged_is_not(url):
    ledger = RunDirectory.open(url, PLAN)
    assert ledger.load("schema") is None
    ledger.save("schema", *state(4))
    meta, arrays = ledger.load("schema")
    assert (meta, arrays["x"].tolist()) == ({"number": 4}, [4.0] * 3)
    overwrite(f"{url}/schema.gfc", b"GRADFOLD and more that is not")
    assert ledger.load("schema") is None


def test_the_ledger_in_memory_forgets():
    ledger = MemoryLedger()
    ledger.record(PassFinished(1, 1.0))
    ledger.save("schema", *state(1))
    assert ledger.load("schema") is None
    assert not ledger.checkpoint(1, *state(1))
    assert ledger.newest() is None
    ledger.flush()


class Killed(BaseException):
    """The driver ends, as by kill -9: no handler of ours knows it."""


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
def test_a_fit_resumed_from_any_checkpoint_gives_the_same_model(url, solver):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(300, 4))
    data = Dataset.from_arrays(X, (X @ rng.normal(size=4) > 0.3).astype(float), block_size=2000)

    def fit(run: str | None = None, stop_after: int = 0):
        def stop(event) -> None:
            if isinstance(event, CheckpointWritten) and event.passes == stop_after:
                raise Killed

        estimator = LogisticRegression(l2=0.01, solver=solver)
        options = {"run": run, "checkpoint_interval": 0.0, "listeners": (stop,)}
        return estimator.fit(data, engine="inline", **options)

    expected = fit()
    for passes in range(1, expected.fit_.passes):
        run = f"{url}/{passes}"
        with pytest.raises(Killed):
            fit(run, stop_after=passes)
        resumed = fit(run)
        assert resumed.model_.digest() == expected.model_.digest()
        assert resumed.fit_.passes == expected.fit_.passes
        fitted = [line for line in lines(run) if line.get("purpose") == "fit"]
        assert len(fitted) == expected.fit_.passes, "a pass was made twice"
