"""Scratch directories: gone with their owner, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mr.storage import scratch

OWNER = """
import sys
from mr.storage import scratch
path = scratch.directory()
(path / "data.gfc").write_bytes(b"x")
print(path, flush=True)
sys.stdin.read()
"""


class Owner:
    """A process with a scratch directory; it lives until its input closes."""

    def __init__(self, base: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GRADFOLD_SCRATCH": str(base)},
        )
        self.path = Path(self.process.stdout.readline().strip())

    def end(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.end() == -signal.SIGKILL


@pytest.fixture
def owner(tmp_path) -> Iterator[Owner]:
    owner = Owner(tmp_path)
    yield owner
    owner.process.kill()
    owner.end()


def test_goes_with_a_process_that_ends(owner, tmp_path):
    assert (owner.path / "data.gfc").exists()
    assert owner.end() == 0
    assert list(tmp_path.iterdir()) == []


def test_that_a_killed_owner_left_is_swept(owner, tmp_path):
    owner.kill()
    assert (owner.path / "data.gfc").exists()
    assert scratch.sweep(tmp_path) == [owner.path]
    assert list(tmp_path.iterdir()) == []


def test_of_the_living_is_kept(owner, tmp_path):
    assert scratch.sweep(tmp_path) == []
    assert (owner.path / "data.gfc").exists()


def test_the_next_owner_sweeps(owner, tmp_path):
    owner.kill()
    after = Owner(tmp_path)
    try:
        assert list(tmp_path.iterdir()) == [after.path]
    finally:
        after.kill()


def test_is_our_own_and_private():
    path = scratch.directory()
    assert scratch.directory() == path
    assert path.parent == Path(os.environ["GRADFOLD_SCRATCH"])
    assert path.stat().st_mode & 0o777 == 0o700
    assert scratch.sweep(path.parent) == []
    assert path.exists()


def test_is_not_seen_by_sweepers_before_it_is_locked(tmp_path, monkeypatch):
    """Nothing that a sweep finds while a directory is made may be taken for abandoned."""
    monkeypatch.setenv("GRADFOLD_SCRATCH", str(tmp_path))
    real, swept = scratch.fcntl.flock, []

    def flock(lock, operation) -> None:
        monkeypatch.setattr(scratch.fcntl, "flock", real)
        with monkeypatch.context() as another_process:
            another_process.setattr(scratch, "_held", {})
            swept.extend(scratch.sweep(tmp_path))
        real(lock, operation)

    monkeypatch.setattr(scratch.fcntl, "flock", flock)
    monkeypatch.setattr(scratch.atexit, "register", lambda *arguments: None)
    path = scratch._directory_of.__wrapped__(os.getpid())
    assert swept == []
    assert path.exists()
    scratch._remove(path, os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "gradfold-notes.txt").write_text("mine")
    (tmp_path / "gradfold-1-a").mkdir()  # without a lock: being made this moment, or not ours
    (tmp_path / "other").mkdir()
    assert scratch.sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_is_swept_where_there_is_nothing(tmp_path):
    assert scratch.sweep(tmp_path / "absent") == []
