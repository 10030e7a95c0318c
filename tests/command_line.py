"""The command line called from tests: in this process where that is enough, else as a process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

import mr
from mr.cli import main

ROOT = Path(mr.__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "mr"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on the last line of output."""
        return dict(json.loads(self.output.splitlines()[-1]))


def call(*arguments: object) -> Ended:
    """Call a command in this process."""
    ended = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return Ended(ended.exit_code, ended.stdout, ended.stderr)


def succeed(*arguments: object) -> dict[str, Any]:
    """Call a command with ``--json`` and return its object; it must succeed."""
    ended = call(*arguments, "--json")
    assert ended.status == 0, ended.errors
    return ended.json


def environment(**more: str) -> Mapping[str, str]:
    """Return an environment in which ``python -m mr`` is found from any directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def write_table(path: Path, rows: int = 400, seed: int = 5, classes: int = 2) -> Path:
    """Write a CSV of columns a, b, c and a label y that follows from them in part."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((rows, 3))
    score = X @ np.array([1.0, -2.0, 0.5]) + generator.standard_normal(rows)
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    lines = [f"{label},{a:.4f},{b:.4f},{c:.4f}" for label, (a, b, c) in zip(y, X, strict=True)]
    path.write_text("\n".join(["y,a,b,c", *lines]) + "\n")
    return path
