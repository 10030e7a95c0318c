"""A small iteration that is checkpointed in a run's directory; for tests of crashes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from committing import NotStruck

from mr.errors import GradfoldError
from mr.events import CheckpointWritten, PassStarted
from mr.ledger import RunDirectory
from mr.storage import directory
from mr.storage.faults import Fault, Killed, Kind, faulty

PLAN = {"identity": {"job": "toy"}, "recipe": None}
PASSES = 5


@dataclass
class Seen:
    """What a driver could tell before it died."""

    safe: int = 0
    began: list[int] = field(default_factory=list)


def step(x: np.ndarray) -> np.ndarray:
    return np.cos(x) * 1.25 + x / 3


def expected(passes: int) -> np.ndarray:
    x = np.arange(3.0)
    for _ in range(passes):
        x = step(x)
    return x


def drive(url: str, seen: Seen) -> np.ndarray:
    """Go on with the run, or begin it, and return the last state."""
    ledger = RunDirectory.open(url, PLAN, interval=0)
    found = ledger.newest()
    passes, x = 0, np.arange(3.0)
    if found is not None:
        passes, (_, arrays) = found
        x = arrays["x"]
        assert x.tobytes() == expected(passes).tobytes(), f"a false state after {passes} passes"
    elif ledger.load("schema") is None:
        ledger.save("schema", {}, {"y": np.zeros(1)})
    seen.began.append(passes)
    while passes < PASSES:
        ledger.record(PassStarted(passes + 1, "fit", 1))
        x = step(x)
        passes += 1
        if ledger.checkpoint(passes, {}, {"x": x}):
            seen.safe = passes
            ledger.record(CheckpointWritten(passes))
    ledger.flush()
    return x


def length(kind: Kind) -> int:
    """Return the number of operations of a run, all going well."""
    with faulty(kind) as world:
        drive(f"{world.url}/run", Seen())
        return world.count


def crash(kind: Kind, plan: Mapping[int, Fault], again: Mapping[int, Fault]) -> str | None:
    """Die by one plan and, resuming, by another; resume; return what was wrong, or None."""
    with faulty(kind) as world:
        url, seen = f"{world.url}/run", Seen()
        for faults in (plan, again, {}):
            world.restart(faults)
            before, begun = seen.safe, len(seen.began)
            died, x = _ended(lambda: drive(url, seen))
            if faults and not world.dead:
                raise NotStruck
            if isinstance(died, Exception):
                return f"the run ended with {died!r}"
            if seen.began[begun:] and seen.began[-1] < before:
                return f"a checkpoint after {before} passes was lost: {seen.began}"
            if x is not None and x.tobytes() != expected(PASSES).tobytes():
                return f"the result differs: {x}"
        world.restart()
        return _untold(url)


def mishap(kind: Kind, plan: Mapping[int, Fault]) -> str | None:
    """Run through faults that do not kill; return what was wrong, or None."""
    passing = all(fault in (Fault.TRANSIENT, Fault.UNACKNOWLEDGED) for fault in plan.values())
    with faulty(kind) as world:
        url, seen = f"{world.url}/run", Seen()
        world.restart(plan)
        ended, _ = _ended(lambda: drive(url, seen))
        if ended is not None and (passing or seen.began):
            # Before it has begun a run may end with a clean error; after that it goes on.
            return f"the run ended with {ended!r}"
        world.restart()
        x = drive(url, seen)
        if x.tobytes() != expected(PASSES).tobytes():
            return f"the result differs: {x}"
        return _untold(url)


def _ended(act: Callable[[], np.ndarray]) -> tuple[BaseException | None, np.ndarray | None]:
    try:
        return None, act()
    except (Killed, GradfoldError, AssertionError) as error:
        return error, None


def _untold(url: str) -> str | None:
    """Return what is wrong with the events on record, or None."""
    names = [name for name in directory.names_in(url) if name.startswith("events-")]
    lines = [line for name in names for line in directory.read_bytes(f"{url}/{name}").splitlines()]
    passes = [json.loads(line)["number"] for line in lines if b"PassStarted" in line]
    if set(passes) - set(range(1, PASSES + 1)) or len(names) != len(set(names)):
        return f"events tell of passes {passes}"
    claims = [name for name in directory.names_in(url) if name.startswith("driver-")]
    return None if len(claims) <= 1 else f"old claims are left: {claims}"
