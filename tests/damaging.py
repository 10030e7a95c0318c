"""Files of our own, damaged: one case a seed.

``python -m damaging model 17`` in this directory repeats a case.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command_line import call
from promise_data import write_libsvm

from mr import Dataset
from mr.algorithms import LogisticRegression
from mr.algorithms.model import LinearClassifier
from mr.errors import GradfoldError
from mr.ledger import RunDirectory
from mr.storage.cache import BlockCache

ROWS = 300


def damaged(body: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Return a file's bytes with one damage to them, and what it is."""
    kind = chance.choice(["bit", "bit", "bits", "cut", "zeros", "tail", "noise", "doubled"])
    at = chance.randrange(len(body))
    new = bytearray(body)
    match kind:
        case "bit" | "bits":
            for _ in range(1 if kind == "bit" else chance.randint(2, 9)):
                at = chance.randrange(len(body))
                new[at] ^= 1 << chance.randrange(8)
        case "cut":
            del new[at:]
        case "zeros" | "noise":
            end = min(len(body), at + chance.choice([1, 16, 512, 4096]))
            new[at:end] = bytes(end - at) if kind == "zeros" else chance.randbytes(end - at)
        case "tail":
            new += chance.randbytes(chance.choice([1, 64, 4096]))
        case "doubled":
            new[at:at] = body[at : at + chance.choice([1, 16, 512])]
    return bytes(new), f"{kind} at {at} of {len(body)}"


@dataclass
class Place:
    """A fit's files, whole, and a directory to damage copies of them in.

    Parameters
    ----------
    directory : Path
    """

    directory: Path

    def __post_init__(self) -> None:
        """Fit once, with everything kept."""
        data = write_libsvm(self.directory / "dense.libsvm", "dense")
        lines = data.read_text().splitlines(keepends=True)
        data.write_text("".join(lines[:ROWS]))
        self.data = data
        self.run = self.directory / "run"
        self.model = self.directory / "model"
        self.cache = self.directory / "cache"
        os.environ["GRADFOLD_CACHE"] = str(self.cache)
        self.digest = self.fit()
        self.entries = sorted(self.cache.glob("*/*.gfc"))
        self.bodies = {path: path.read_bytes() for path in self.files}

    @property
    def files(self) -> list[Path]:
        """All that may be damaged."""
        kept = sorted(path for path in self.run.iterdir() if path.stat().st_size)
        return [self.model, *self.entries, *kept]

    def fit(self) -> str:
        """Fit, or go on with the run."""
        dataset = Dataset(self.data, block_size=self.data.stat().st_size // 4)
        model = LogisticRegression(l2=1e-3, solver="lbfgs", tol=1e-5)
        call = {"command": "fit", "model": str(self.model), "test": None}
        settings = {"run": str(self.run), "checkpoint_interval": 0.0, "call": call}
        model.fit(dataset, engine="inline", **settings)
        model.save(str(self.model))
        return model.model_.digest()

    def mend(self) -> None:
        """Put everything back, and remove what was not there."""
        known = set(self.bodies)
        for path in (*self.run.iterdir(), *self.cache.glob("*/*")):
            if path not in known:
                path.unlink()
        for path, body in self.bodies.items():
            if not path.exists() or path.read_bytes() != body:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(body)


def check_model(seed: int, place: Place) -> bool:
    """Load a damaged model: refused, or the same in all that decides predictions."""
    chance = random.Random(seed)
    body, what = damaged(place.bodies[place.model], chance)
    path = place.directory / "damaged"
    path.write_bytes(body)
    try:
        found = LinearClassifier.load(str(path))
    except GradfoldError:
        return True
    whole = LinearClassifier.load(str(place.model))
    same = found.digest() == place.digest and found.schema == whole.schema
    assert same, f"another model: {what}"
    return False


def check_cache(seed: int, place: Place) -> bool:
    """Read a damaged entry of the cache: there is none, or it is the same."""
    chance = random.Random(seed)
    original = chance.choice(place.entries)
    key, directory = original.stem, place.directory / "damaged-cache"
    whole = BlockCache(place.cache, 1 << 30).get(key)
    body, what = damaged(place.bodies[original], chance)
    path = directory / key[:2] / original.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    found = BlockCache(directory, 1 << 30).get(key)
    if found is None:
        return True
    assert whole is not None
    assert found[0] == whole[0], f"other facts: {what}"
    _hold_equal(found[1], whole[1], what)
    return False


def check_checkpoint(seed: int, place: Place) -> bool:
    """Look for the newest checkpoint where that is damaged: the one before, or the same."""
    chance = random.Random(seed)
    checkpoints = sorted(place.run.glob("checkpoint-*"))
    newest, before = checkpoints[-1], checkpoints[-2]
    body, what = damaged(place.bodies[newest], chance)
    newest.write_bytes(body)
    try:
        passes, (meta, arrays) = RunDirectory(str(place.run)).newest() or (0, ({}, {}))
    finally:
        newest.write_bytes(place.bodies[newest])
    detected = passes == _number(before)
    assert detected or passes == _number(newest), f"pass {passes}: {what}"
    whole = RunDirectory(str(place.run)).load((before if detected else newest).stem)
    assert whole is not None
    assert meta == whole[0], f"another state: {what}"
    _hold_equal(arrays, whole[1], what)
    return detected


def check_fit(seed: int, place: Place) -> bool:
    """Go on with a run of which one file, or several, are damaged: refused, or the same model."""
    chance = random.Random(seed)
    victims = chance.sample(place.files, chance.choice([1, 1, 3]))
    shown = []
    for path in victims:
        body, what = damaged(place.bodies[path], chance)
        path.write_bytes(body)
        shown.append(f"{path.name}: {what}")
    try:
        digest = place.fit()
    except GradfoldError:
        return True
    finally:
        place.mend()
    assert digest == place.digest, f"another model: {shown}"
    return False


def check_plan(seed: int, place: Place) -> bool:
    """Call ``mr resume`` where the plan is damaged: refused, or the same model."""
    chance = random.Random(seed)
    plan = place.run / "plan.json"
    body, what = damaged(place.bodies[plan], chance)
    plan.write_bytes(body)
    out = place.directory / "resumed"
    out.unlink(missing_ok=True)
    try:
        ended = call("resume", place.run, "--model", out, "--engine", "inline", "--workers", 1)
    finally:
        place.mend()
    if ended.status:
        assert "not foreseen" not in ended.errors, f"{what}: {ended.errors}"
        return True
    assert LinearClassifier.load(str(out)).digest() == place.digest, f"another model: {what}"
    return False


CHECKS: dict[str, Callable[[int, Place], bool]] = {
    "model": check_model,
    "cache": check_cache,
    "checkpoint": check_checkpoint,
    "fit": check_fit,
    "plan": check_plan,
}
"""By name: a case, which returns whether the damage was detected."""


def _number(checkpoint: Path) -> int:
    return int(checkpoint.stem.removeprefix("checkpoint-"))


def _hold_equal(found: Any, whole: Any, what: str) -> None:
    assert found.keys() == whole.keys(), f"other arrays: {what}"
    for name in whole:
        same = found[name].dtype == whole[name].dtype and np.array_equal(found[name], whole[name])
        assert same, f"another {name}: {what}"


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        print("detected" if CHECKS[sys.argv[1]](int(sys.argv[2]), place) else "harmless")
