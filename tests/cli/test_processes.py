"""What can be seen on real processes alone: users' errors from workers, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_line import COMMAND, environment, write_table

BOOM = """
import mr

class Boom(mr.FoldJob):
    def map(self, block, point):
        if block.index == 2:
            return {"share": 1 / (block.rows - block.rows)}
        return {"rows": block.rows}
"""

# Says when it is at work, on the standard error that workers share with the driver; then
# waits for what never comes.
HANGING = """
import os, threading
import mr

class Hanging(mr.FoldJob):
    def map(self, block, point):
        os.write(2, b"at work\\n")
        threading.Event().wait()
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv")


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        check=False,
    )


@pytest.mark.slow
def test_a_map_that_raises_shows_the_users_traceback_and_how_to_repeat_it(tmp_path, table):
    (tmp_path / "boom.py").write_text(BOOM)
    call = ("run", "boom.py", table.name, "--block-size", "4k", "--engine", "processes")
    failed = run(*call, "--workers", 2, cwd=tmp_path)
    assert failed.returncode == 1
    assert not failed.stdout
    lines = failed.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith('boom.py", line 7, in map')
    assert "1 / (block.rows - block.rows)" in lines[2]
    assert "ZeroDivisionError" in failed.stderr
    assert "block 2" in failed.stderr
    assert failed.stderr.count("Traceback") == 1
    (repeat,) = [line for line in lines if "to repeat just that block" in line]
    command = shlex.split(repeat.partition(": ")[2])
    assert command[0] == "mr"
    again = run(*command[1:], cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.startswith("Traceback")
    assert "ZeroDivisionError" in again.stderr
    other = [
        word if word != "2" or command[i - 1] == "--workers" else "1"
        for i, word in enumerate(command)
    ]
    assert run(*other[1:], cwd=tmp_path).returncode == 0


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Return directories of their own for all that a run writes beside its results."""
    found = {name: tmp_path / name for name in ("TMPDIR", "GRADFOLD_SCRATCH", "GRADFOLD_CACHE")}
    for path in found.values():
        path.mkdir()
    return found


@pytest.fixture
def hanging(tmp_path, table, places) -> Iterator[subprocess.Popen[str]]:
    """Start a command whose two workers hang in their tasks; yield it once both do."""
    (tmp_path / "hanging.py").write_text(HANGING)
    process = subprocess.Popen(
        [
            *(*COMMAND, "run", "hanging.py", table.name, "--engine", "processes"),
            *("--workers", "2", "--block-size", "4k", "-o", "result.npz"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(**{name: str(path) for name, path in places.items()}),
        start_new_session=True,
    )
    with process:
        working = 0
        while working < 2:
            working += process.stderr.readline() == "at work\n"
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [False, True], ids=["driver", "group"])
def test_interrupting_leaves_no_process_and_no_file(tmp_path, hanging, places, whole_group):
    left = psutil.Process(hanging.pid).children(recursive=True)
    assert len(left) >= 2
    if whole_group:  # as a terminal does
        os.killpg(hanging.pid, signal.SIGINT)
    else:
        hanging.send_signal(signal.SIGINT)
    output, errors = hanging.communicate()
    assert hanging.returncode == 130
    assert not output
    assert errors.splitlines() == ["Interrupted."]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive
    for name in ("TMPDIR", "GRADFOLD_SCRATCH"):
        assert list(places[name].iterdir()) == []
    assert not list(places["GRADFOLD_CACHE"].rglob("*.part"))
    assert not (tmp_path / "result.npz").exists()
