"""What a test of reliability tried: one line of JSON each, for ``make reliability`` to print."""

from __future__ import annotations

import json
import os
from pathlib import Path

RELEASE = os.environ.get("SIZE", "ci") == "release"


def size(ci: int, release: int) -> int:
    """Return how many to try: ``SIZE=release`` in the environment tries the larger number."""
    return release if RELEASE else ci


def record(name: str, tried: int, failed: int, seconds: float) -> None:
    """Print what was tried, and append it to the file that ``GRADFOLD_RELIABILITY`` names."""
    line = {"test": name, "tried": tried, "failed": failed, "seconds": round(seconds, 2)}
    print(f"{name}: {tried} tried, {failed} failed, {seconds:.1f} s")
    target = os.environ.get("GRADFOLD_RELIABILITY")
    if target:
        with Path(target).open("a", encoding="utf-8") as file:  # whole lines, from any process
            file.write(json.dumps(line) + "\n")
