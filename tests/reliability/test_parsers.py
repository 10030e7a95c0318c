"""Mutations of valid files, for every reader: one of our own errors, in bounded time and memory.

A reading may crash the process or take all its memory, so each search is a process of its
own. Hypothesis mutates by what formats are made of; atheris goes by coverage, where installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from mutating import SUFFIXES
from reliability_report import RELEASE, record, size

HERE = Path(__file__).parent.parent
EXAMPLES = size(150, 100_000)
FUZZING = int(os.environ.get("GRADFOLD_FUZZ_SECONDS", size(2, 8 * 3600 // len(SUFFIXES))))
"""Seconds a format that atheris searches."""

pytestmark = pytest.mark.slow


def _hold(name: str, tried: int, command: list[str], timeout: float | None = 100) -> None:
    """Run a search to its end, which must be a good one."""
    repeat = f"cd tests && python {' '.join(command)}"
    began, failed = time.perf_counter(), 1
    print(f"to repeat: {repeat}")
    try:
        ended = subprocess.run(
            [sys.executable, "-X", "faulthandler", *command],
            cwd=HERE,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=None if RELEASE else timeout,
            check=False,
        )
        failed = int(ended.returncode != 0)
    finally:
        record(name, tried, failed, time.perf_counter() - began)
    assert not failed, f"{repeat}\nended with {ended.returncode}\n{ended.stderr[-4000:]}"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mutations_end_in_errors_of_our_own(suffix: str, seed: int) -> None:
    command = ["-m", "mutating", suffix, f"--examples={EXAMPLES}", f"--seed={seed}"]
    _hold("parsers, hypothesis", EXAMPLES, command)


@pytest.mark.skipif(find_spec("atheris") is None, reason="pip install 'gradfold[fuzz]'")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fuzzing_finds_nothing_else(suffix: str, tmp_path: Path) -> None:
    seed = zlib.crc32(suffix.encode())
    limits = [f"-max_total_time={FUZZING}", f"-seed={seed}", f"-artifact_prefix={tmp_path}/"]
    _hold("parsers, atheris", 1, ["fuzz/readers.py", suffix, *limits])
