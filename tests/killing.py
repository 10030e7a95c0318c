"""Real fits whose workers or drivers are killed or stopped: one case a seed.

``python -m killing workers 17`` in this directory repeats a case.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import psutil
from nursery import Nursery, nursery
from promise_data import write_libsvm
from squares import write_squares
from striking import Blow, Striker, fit

from mr.errors import Fenced
from mr.storage import scratch

LIMIT = 3.0
"""Seconds that an attempt may run, where nothing else ends one on a stopped worker."""
GONE = 10.0
"""Seconds that processes have to leave."""
KINDS = ("dense", "sparse", "squares", "squares", "squares", "squares")
"""Two with kernels, which workers take long to load, and one without, drawn more often."""
LOCK = "owner.lock"
LEDGER = (
    *("plan.json", "schema.gfc", "driver.lock", "driver-", "checkpoint-", "events-", "point-"),
    ".",  # what a driver that was killed had half written: no one reads it, and it stays
)


@dataclass
class Place:
    """Where cases are tried: the data, what they should give, and a directory for each case.

    Parameters
    ----------
    directory : Path
    """

    directory: Path
    data: dict[str, Path] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        """Write the data, and fit undisturbed."""
        self.data = {
            kind: write_libsvm(self.directory / f"{kind}.libsvm", kind)
            for kind in ("dense", "sparse")
        }
        self.data["squares"] = write_squares(self.directory / "squares.npy")
        for kind in self.data:
            self.expected[kind] = fit(self.data[kind], engine="inline")

    def run(self) -> Path:
        """Return a directory for a run."""
        self.runs += 1
        return self.directory / f"run-{self.runs}"

    @contextmanager
    def cache(self, chance: random.Random) -> Iterator[Mapping[str, str]]:
        """Begin with an empty cache, or the one that is there; return the variable."""
        cold = {"GRADFOLD_CACHE": f"{self.run()}-cache"} if chance.random() < 0.5 else {}
        with mock.patch.dict(os.environ, cold):
            yield cold


def check_workers(seed: int, place: Place) -> bool:
    """Kill or stop workers of a fit: the same model, and nothing left behind.

    Returns whether a blow fell before the fit had ended.
    """
    chance = random.Random(seed)
    kind, stop, workers = chance.choice(KINDS), chance.random() < 0.4, chance.choice([1, 2, 2])
    blows = [Blow.draw(chance, stop=stop) for _ in range(1 if stop else chance.randint(1, 3))]
    # Beside a stopped worker another does its task; alone, it has to be given up some time.
    alone = stop and workers == 1 and blows[0].wake is None
    striker = Striker(blows)
    with place.cache(chance):
        digest = fit(
            place.data["squares" if alone else kind],
            striker,
            engine="processes",
            workers=workers,
            task_timeout=LIMIT if alone else None,
        )
    assert digest == place.expected["squares" if alone else kind], "another model"
    _all_gone()
    return striker.struck


def check_driver(seed: int, place: Place, born: Nursery) -> bool:
    """Kill or stop the driver of a fit, and go on with its run: the same model.

    Returns whether a blow fell before the fit had ended.
    """
    chance = random.Random(seed)
    kind, run = chance.choice(KINDS), place.run()
    stop, struck = chance.random() < 0.3, False
    interval = chance.choice([0.0, 0.0, 0.05])
    with place.cache(chance) as variables:
        for _ in range(chance.choice([1, 1, 2])):
            blow, going_on = Blow.draw(chance, stop=stop), chance.random() < 0.5
            settings = {"workers": 2, "checkpoint_interval": interval, "environment": variables}
            for news in born.drive(place.data[kind], run, blow, **settings):
                if "stopped" in news:  # it cannot wake itself
                    _take_over(place.data[kind], run)
                    os.kill(news["stopped"], signal.SIGCONT if going_on else signal.SIGKILL)
                status = news.get("status", 0)
                struck = struck or "stopped" in news or status != 0
                assert status in (0, -signal.SIGKILL), "the driver failed"
        engine = chance.choice(["inline", "threads"])
        digest = fit(place.data[kind], engine=engine, workers=2, run=str(run))
    assert digest == place.expected[kind], "another model"
    written = run.with_name(f"{run.name}.digest")
    assert not written.exists() or written.read_text() == digest, "another model of the first"
    others = [path.name for path in run.iterdir() if not path.name.startswith(LEDGER)]
    assert not others, f"left in the run's directory: {others}"
    _all_gone()
    return struck


def _take_over(data: Path, run: Path) -> None:
    """Try to drive a run whose driver is stopped: it lives, so that must be refused."""
    with suppress(Fenced):
        fit(data, engine="inline", run=str(run))
        raise AssertionError("two drivers of one run")


def _all_gone() -> None:
    base = Path(os.environ["GRADFOLD_SCRATCH"])
    until = time.monotonic() + GONE
    while (left := _workers(base)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not left, f"workers are left: {left}"
    scratch.sweep(base)
    own = scratch.directory()
    files = [path for path in (*base.iterdir(), *own.iterdir()) if path not in (own, own / LOCK)]
    assert not files, f"left in the scratch directory: {files}"


def _workers(base: Path) -> list[psutil.Process]:
    """Return the worker processes of drivers that use a scratch directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            ours = "mr.cluster.worker" in (process.info["cmdline"] or [])
            if ours and process.environ().get("GRADFOLD_SCRATCH") == str(base):
                found.append(process)
    return found


def main(which: str, seed: int) -> None:
    """Repeat a case."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        os.environ |= {f"GRADFOLD_{part}": f"{name}/{part}" for part in ("CACHE", "SCRATCH")}
        place = Place(directory)
        with nursery(os.environ) as born:
            if which == "workers":
                print(check_workers(seed, place))
            else:
                print(check_driver(seed, place, born))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
