"""Death at every storage operation of commit and of checkpoint and resume, and again after it.

Whenever it strikes, what is there is the old state or the new one, whole, never a mixture; a
checkpoint that was acknowledged is never lost; the result of a resumed run is the same.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable

import checkpointing
import committing
import pytest
from committing import NotStruck
from reliability_report import record, size

from mr.storage import patience
from mr.storage.faults import MEMORY, PLAIN, POSIX, S3, Fault, Kind

KINDS = [POSIX, MEMORY, S3, PLAIN]
KILLS = [fault for fault in Fault if fault.kills]
MISHAPS = [fault for fault in Fault if not fault.kills]

Case = tuple[object, ...]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.0)
    logging.getLogger("mr").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def _loudly_after() -> Iterable[None]:
    yield
    logging.getLogger("mr").setLevel(logging.NOTSET)


def hold(name: str, cases: Iterable[Case], trial: Callable[..., str | None]) -> None:
    """Try all cases, record how many failed, and show the first of those."""
    started, tried, wrong = time.perf_counter(), 0, []
    for case in cases:
        tried += 1
        problem = trial(*case)
        if problem is not None:
            wrong.append(f"{trial.__module__}.{trial.__name__}{case}: {problem}")
    record(name, tried, len(wrong), time.perf_counter() - started)
    assert tried
    assert not wrong, "\n".join([f"{len(wrong)} of {tried} failed", *wrong[:5]])


def singles(length: int, faults: Iterable[Fault]) -> list[dict[int, Fault]]:
    """Return the plans that strike once, at any operation."""
    return [{at: fault} for at, fault in itertools.product(range(1, length + 1), faults)]


def kills(length: int, kind: Kind) -> list[dict[int, Fault]]:
    """Return the plans that kill once, leaving out those that are the same as another.

    A death after one operation is one before the next, but for the last; only where files
    grow can one die half way.
    """
    faults = [Fault.KILL] if kind.whole_puts else [Fault.KILL, Fault.KILL_TORN]
    return [*singles(length, faults), {length: Fault.KILL_AFTER}]


def drawn(rng: random.Random, length: int) -> dict[int, Fault]:
    """Return a plan that kills once, anywhere."""
    return {rng.randint(1, length): rng.choice(KILLS)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
class TestCommit:
    def test_killed_at_every_operation(self, kind: Kind) -> None:
        cases = [
            (scene, plan, {})
            for scene in committing.scenes(kind)
            for plan in kills(committing.length(scene), kind)
        ]
        hold(f"crash points, commit, {kind.name}", cases, committing.crash)

    def test_killed_again_in_recovery_or_in_the_next_job(self, kind: Kind, seed: int) -> None:
        rng = random.Random(seed)
        scenes = [(scene, committing.length(scene)) for scene in committing.scenes(kind)]

        def trial(number: int) -> str | None:
            scene, length = rng.choice(scenes)
            plan, rerun = drawn(rng, length), number % 2 == 1
            again = drawn(rng, length if rerun else 25)
            try:
                problem = committing.crash(scene, plan, again, rerun=rerun)
            except NotStruck:
                return trial(number)
            return problem and f"{scene.name}, {plan}, {again}, {rerun}: {problem}"

        cases = [(number,) for number in range(size(500, 10_000) // len(KINDS))]
        hold(f"crash points, commit, pairs, {kind.name}", cases, trial)

    def test_mishaps_at_every_operation(self, kind: Kind) -> None:
        cases = [
            (scene, plan)
            for scene in committing.scenes(kind)[:2]
            for plan in singles(committing.length(scene), MISHAPS)
        ]
        hold(f"mishaps, commit, {kind.name}", cases, committing.mishap)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
class TestCheckpoint:
    def test_killed_at_every_operation(self, kind: Kind) -> None:
        plans = kills(checkpointing.length(kind), kind)
        cases = [(kind, plan, {}) for plan in plans]
        hold(f"crash points, checkpoint, {kind.name}", cases, checkpointing.crash)

    def test_killed_again_when_it_is_resumed(self, kind: Kind, seed: int) -> None:
        rng, length = random.Random(seed), checkpointing.length(kind)

        def trial(number: int) -> str | None:
            plan, again = drawn(rng, length), drawn(rng, length)
            try:
                problem = checkpointing.crash(kind, plan, again)
            except NotStruck:
                return trial(number)
            return problem and f"{plan}, {again}: {problem}"

        cases = [(number,) for number in range(size(500, 10_000) // len(KINDS))]
        hold(f"crash points, checkpoint, pairs, {kind.name}", cases, trial)

    def test_mishaps_at_every_operation(self, kind: Kind) -> None:
        cases = [(kind, plan) for plan in singles(checkpointing.length(kind), MISHAPS)]
        hold(f"mishaps, checkpoint, {kind.name}", cases, checkpointing.mishap)
