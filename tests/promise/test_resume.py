"""A driver killed with ``kill -9`` anywhere goes on, and arrives at the same model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from promise_data import fit, write_libsvm

from mr import events
from mr.errors import LedgerMismatch
from mr.events import RunStarted
from mr.ledger import RunDirectory

# Each kind of event, and which one of its kind the driver dies after.
DEATHS = [
    (events.WorkerJoined, 1),
    (events.PassStarted, 1),
    (events.PassStarted, 2),
    (events.RunStarted, 1),
    (events.AttemptStarted, 30),
    (events.AttemptFinished, 31),
    (events.AttemptFailed, 1),
    (events.WorkerLost, 1),
    (events.TaskRetried, 1),
    (events.TaskDone, 33),
    (events.PassFinished, 4),
    (events.RoundFinished, 3),
    (events.CheckpointWritten, 1),
    (events.CheckpointWritten, 5),
    (events.RunFinished, 1),
]

_DIE = """
import os, signal, sys
from pathlib import Path
from promise_data import fit

data, run, kind, count = sys.argv[1:]
left = int(count)

class Die:
    def __call__(self, event):
        global left
        left -= type(event).__name__ == kind
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

import promise_data
promise_data.Story = Die
fit(Path(data), engine="processes", workers=2, run=run, checkpoint_interval=0,
    faults="11:0.05:raise,kill")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_libsvm(tmp_path_factory.mktemp("data") / "dense.libsvm", "dense")


@pytest.fixture(scope="module")
def expected(data: Path) -> tuple[str, int]:
    """Return the digest and the passes of an undisturbed run."""
    model, _ = fit(data, engine="inline")
    return model.model_.digest(), model.fit_.passes


def die(data: Path, run: Path, kind: type, count: int) -> None:
    """Run a driver that kills itself after an event."""
    arguments = [str(data), str(run), kind.__name__, str(count)]
    ended = subprocess.run(
        [sys.executable, "-c", _DIE, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.parametrize(("kind", "count"), DEATHS)
def test_goes_on_after_any_event(
    kind: type, count: int, data: Path, expected: tuple[str, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    die(data, run, kind, count)
    model, story = fit(data, engine="threads", workers=3, run=str(run), checkpoint_interval=0)
    assert (model.model_.digest(), model.fit_.passes) == expected
    (started,) = story.of(RunStarted)
    assert list(run.glob("checkpoint-*"))
    if kind is events.CheckpointWritten:
        assert started.passes == count  # at most the rounds since the last checkpoint are redone


def test_workers_leave_with_a_killed_driver(data: Path, tmp_path: Path) -> None:
    die(data, tmp_path / "run", events.AttemptStarted, 30)

    def orphans() -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline", "ppid"])
            if "mr.cluster.worker" in (process.info["cmdline"] or []) and process.info["ppid"] == 1
        ]

    psutil.wait_procs(orphans(), timeout=10)
    assert not orphans()


def test_refuses_the_ledger_of_another_run(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(data, engine="inline", run=str(run))
    other = write_libsvm(tmp_path / "other.libsvm", "sparse")
    with pytest.raises(LedgerMismatch, match="its dataset differs"):
        fit(other, engine="inline", run=str(run))


def test_passes_over_a_torn_checkpoint(
    data: Path, expected: tuple[str, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    die(data, run, events.CheckpointWritten, 5)
    newest = max(run.glob("checkpoint-*"))
    newest.write_bytes(newest.read_bytes()[:-100])
    assert RunDirectory(str(run)).newest()[0] == 4
    assert "damaged" in caplog.text
    model, _ = fit(data, engine="inline", run=str(run))
    assert (model.model_.digest(), model.fit_.passes) == expected
