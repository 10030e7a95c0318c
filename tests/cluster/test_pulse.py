"""Signs of life of processes, and what is done about one that gives none."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from mr.cluster import pulse

WAIT = "import sys; sys.stdin.read()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    waiting = subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE)
    yield waiting
    waiting.kill()
    waiting.communicate()


def test_a_stopped_process_is_told_from_one_that_waits(process: subprocess.Popen[bytes]) -> None:
    assert not pulse.stopped(process.pid)
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # until it has stopped
    assert pulse.stopped(process.pid)
    process.send_signal(signal.SIGCONT)
    os.waitpid(process.pid, os.WCONTINUED)
    assert not pulse.stopped(process.pid)


def test_one_that_is_gone_is_not_stopped(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert not psutil.pid_exists(process.pid)
    assert not pulse.stopped(process.pid)


def test_those_alive_are_told_of_and_the_stopped_are_not(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "EVERY", 0.01)
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    beating = pulse.Pulse(lambda: {"stopped": process.pid, "here": os.getpid()}, told.put)
    names = [told.get(timeout=30) for _ in range(3)]
    beating.close()
    assert names == ["here"] * 3
