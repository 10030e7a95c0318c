"""Of two drivers of one run, one at most goes on writing."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from mr import Dataset, FoldJob, fencing, fold
from mr.errors import Fenced, LedgerMismatch, StorageError
from mr.events import PassFinished
from mr.fencing import Fence
from mr.ledger import RunDirectory
from mr.storage import directory, patience
from mr.storage.faults import MEMORY, PLAIN, POSIX, S3, Fault, World, faulty

PLAN = {"identity": {"job": "toy"}, "recipe": None}
STATE = ({}, {"x": np.zeros(2)})
NAME = "shared"

# A driver that does as it is told: each line on its input is a pass to be checkpointed.
_DRIVER = """
import sys
from contextlib import nullcontext
import numpy as np
from mr.errors import Fenced
from mr.events import PassFinished
from mr.ledger import RunDirectory
from mr.storage import faults

url, kind, root = sys.argv[1:]
with faults.faulty(getattr(faults, kind), root, "shared") if root else nullcontext():
    ledger = RunDirectory.open(url, {"identity": {"job": "toy"}, "recipe": None}, interval=0)
    print("open", flush=True)
    for line in sys.stdin:
        try:
            ledger.record(PassFinished(int(line), 1.0))
            ledger.checkpoint(int(line), {}, {"x": np.zeros(2)})
            print("written", flush=True)
        except Fenced as error:
            print("fenced", error.exit_status, error.retryable, flush=True)
"""


class Driver:
    """A driver in another process."""

    def __init__(self, url: str, kind: str = "", root: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, url, kind, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.opened = self.process.stdout.readline().strip()

    def checkpoint(self, passes: int) -> str:
        self.process.stdin.write(f"{passes}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self.process.pid}/stat")
        while status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.01)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests that ran before in this process, and closed no ledger, be none of ours."""
    monkeypatch.setattr(fencing, "_locks", {})


@pytest.fixture
def drivers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with faulty(request.param) as world:
        yield world


def begin(stack: ExitStack, *arguments: str) -> Driver:
    driver = Driver(*arguments)
    stack.callback(driver.kill)
    assert driver.opened == "open"
    return driver


def held(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


# -- the lock of a local disk -------------------------------------------------------------------


def test_a_second_driver_is_refused_while_the_first_lives(tmp_path, drivers):
    run = tmp_path / "run"
    first = begin(drivers, str(run))
    before = held(run)
    with pytest.raises(Fenced, match="driver already") as caught:
        RunDirectory.open(str(run), PLAN)
    assert f"process {first.process.pid} on " in caught.value.cause
    assert (caught.value.exit_status, caught.value.retryable) == (1, False)
    assert held(run) == before
    assert first.checkpoint(1) == "written"


def test_a_killed_driver_s_run_is_free_at_once(tmp_path, drivers):
    run = str(tmp_path / "run")
    first = begin(drivers, run)
    assert first.checkpoint(1) == "written"
    first.kill()
    ledger = RunDirectory.open(run, PLAN, interval=0)
    assert ledger.newest()[0] == 1
    assert ledger.checkpoint(2, *STATE)
    ledger.close()


def test_a_stopped_driver_still_has_its_run(tmp_path, drivers):
    run = str(tmp_path / "run")
    first = begin(drivers, run)
    first.stop()
    with pytest.raises(Fenced):
        RunDirectory.open(run, PLAN)
    first.go_on()
    assert first.checkpoint(1) == "written"


def test_a_driver_whose_lock_was_removed_is_fenced_when_it_wakes(tmp_path, drivers):
    run = tmp_path / "run"
    first = begin(drivers, str(run))
    first.stop()
    (run / fencing.LOCK).unlink()
    ledger = RunDirectory.open(str(run), PLAN, interval=0)
    ledger.checkpoint(1, *STATE)
    before = held(run)
    first.go_on()
    assert first.checkpoint(7) == "fenced 1 False"
    assert held(run) == before
    ledger.close()


def test_a_closed_run_can_be_driven_by_another_process(tmp_path, drivers):
    run = str(tmp_path / "run")
    ledger = RunDirectory.open(run, PLAN)
    ledger.close()
    ledger.close()
    assert begin(drivers, run).checkpoint(1) == "written"


class Total(FoldJob):
    def map(self, block, point):
        return {"sum": block.X.sum(axis=0)}


def test_a_run_is_let_go_when_it_ends(tmp_path):
    data = Dataset.from_arrays(np.ones((10, 2)))
    run = tmp_path / "run"
    fold(Total(), data, engine="inline", run=str(run))
    assert not fencing._locks
    fold(Total(), data, engine="inline", run=str(run))
    claims = [path.name for path in run.glob("driver-*.json")]
    assert claims == ["driver-000002.json"]


def test_another_plan_is_refused_without_disturbing_the_driver(tmp_path, drivers):
    run = str(tmp_path / "run")
    first = begin(drivers, run)
    with pytest.raises(LedgerMismatch):
        RunDirectory.open(run, {"identity": {"job": "another"}})
    assert first.checkpoint(1) == "written"


# -- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["S3", "POSIX"])
def test_a_driver_that_wakes_after_another_took_over_writes_nothing(kind, tmp_path, drivers):
    root, url = tmp_path / "bucket", f"faulty://{NAME}/run"
    root.mkdir()
    first = begin(drivers, url, kind, str(root))
    assert first.checkpoint(1) == "written"
    first.stop()
    with faulty({"S3": S3, "POSIX": POSIX}[kind], str(root), NAME):
        second = RunDirectory.open(url, PLAN, interval=0)
        assert second.newest()[0] == 1
        assert second.checkpoint(2, *STATE)
        before = held(root / "run")
        first.go_on()
        assert first.checkpoint(3) == "fenced 1 False"
        assert held(root / "run") == before
        assert second.checkpoint(4, *STATE)


@pytest.mark.parametrize("where", ["local", "memory"])
def test_in_one_process_the_later_driver_has_the_run(where, tmp_path):
    url = str(tmp_path / "run") if where == "local" else f"memory://fencing/{tmp_path.name}"
    first = RunDirectory.open(url, PLAN, interval=0)
    assert first.checkpoint(1, *STATE)
    second = RunDirectory.open(url, PLAN, interval=0)
    for write in (
        lambda: first.checkpoint(2, *STATE),
        lambda: first.save("schema", *STATE),
        lambda: (first.record(PassFinished(1, 1.0)), first.flush()),
    ):
        with pytest.raises(Fenced, match="took over") as caught:
            write()
        assert f"process {os.getpid()} on " in caught.value.cause
    assert second.newest()[0] == 1
    assert second.checkpoint(2, *STATE)
    first.close()
    second.close()
    assert not fencing._locks


@pytest.mark.parametrize("world", [POSIX, MEMORY, S3], indirect=True)
def test_of_many_that_claim_at_once_one_is_the_newest(world):
    url = f"{world.url}/run"
    with ThreadPoolExecutor(8) as pool:
        fences = list(pool.map(lambda _: Fence.take(url), range(8)))
    assert len({fence.epoch for fence in fences}) == 8
    standing = []
    for fence in fences:
        try:
            fence.check()
        except Fenced:
            continue
        standing.append(fence)
    assert len(standing) == 1
    assert standing[0].epoch == max(fence.epoch for fence in fences)


@pytest.mark.parametrize("world", [S3], indirect=True)
def test_a_claim_of_a_number_that_was_pruned_meanwhile_is_no_claim(world, monkeypatch):
    url = f"{world.url}/run"
    for _ in range(3):
        newest = Fence.take(url)
    assert directory.names_in(url) == ["driver-000003.json"]
    look, stale = fencing._newest, iter([0])
    monkeypatch.setattr(fencing, "_newest", lambda url: next(stale, None) or look(url))
    # It lists before the other three began, and finds number 1 free since they pruned it.
    late = Fence.take(url)
    assert late.epoch == 4
    with pytest.raises(Fenced):
        newest.check()


@pytest.mark.parametrize("world", [S3], indirect=True)
def test_a_segment_is_never_written_over(world):
    url = f"{world.url}/run"
    ledger = RunDirectory.open(url, PLAN)
    world.fs().pipe_file("/run/events-000001.jsonl", b"of a driver that woke once\n")
    ledger.record(PassFinished(1, 1.0))
    ledger.flush()
    assert directory.read_bytes(f"{url}/events-000001.jsonl").startswith(b"of a driver")
    assert json.loads(directory.read_bytes(f"{url}/events-000002.jsonl"))["number"] == 1


@pytest.mark.parametrize("world", [PLAIN], indirect=True)
def test_a_storage_that_cannot_tell_is_named(world, caplog):
    with caplog.at_level(logging.WARNING):
        first, second = (RunDirectory.open(f"{world.url}/run", PLAN, interval=0) for _ in "12")
    assert "cannot tell two drivers" in caplog.text
    assert first.checkpoint(1, *STATE)
    assert second.checkpoint(2, *STATE)


# -- storage that fails -------------------------------------------------------------------------


def strike(world: World, operation: str, fault: Fault, times: int) -> None:
    """Let the next operations of a kind fail."""
    operate, left = world.operate, times

    def struck(words, act, half=None):
        nonlocal left
        if words.startswith(operation) and left:
            left -= 1
            raise {Fault.TRANSIENT: ConnectionResetError, Fault.FAIL: OSError}[fault](5, words)
        return operate(words, act, half)

    world.operate = struck


@pytest.mark.parametrize(
    ("fault", "times", "written"),
    [(Fault.TRANSIENT, 3, True), (Fault.TRANSIENT, 4, False), (Fault.FAIL, 1, False)],
)
@pytest.mark.parametrize("world", [S3], indirect=True)
def test_a_checkpoint_that_cannot_be_written_is_given_up(
    world: World, fault: Fault, times: int, *, written: bool, monkeypatch, caplog
):
    monkeypatch.setattr(patience, "PAUSE", 0.0)
    ledger = RunDirectory.open(f"{world.url}/run", PLAN, interval=0)
    strike(world, "put /run/checkpoint", fault, times)
    assert ledger.checkpoint(1, *STATE) is written
    assert ("goes on without a checkpoint after pass 1" in caplog.text) is not written
    assert ledger.checkpoint(2, *STATE)
    assert ledger.newest()[0] == 2


@pytest.mark.parametrize("world", [S3], indirect=True)
def test_events_that_cannot_be_written_wait_for_the_next_segment(world, monkeypatch, caplog):
    url = f"{world.url}/run"
    ledger = RunDirectory.open(url, PLAN)
    strike(world, "put /run/events", Fault.FAIL, 1)
    for number in (1, 2):
        ledger.record(PassFinished(number, 1.0))
        ledger.flush()
    assert "not written yet" in caplog.text
    lines = directory.read_bytes(f"{url}/events-000001.jsonl").splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]


@pytest.mark.parametrize("operation", ["put /run/plan", "put /run/driver"])
@pytest.mark.parametrize("world", [S3], indirect=True)
def test_plan_and_claim_must_be_written(world: World, operation: str):
    strike(world, operation, Fault.FAIL, 1)
    with pytest.raises(StorageError):
        RunDirectory.open(f"{world.url}/run", PLAN)
    RunDirectory.open(f"{world.url}/run", PLAN)
