"""A catalogue of defects, each to be planted into the real code and found by the simulation.

Each is a function that takes a monkeypatch. What it breaks is said in its name and
first line; how it is found out is the simulation's business: other bits, a run
that ends where it may not, or a driver that waits for ever.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mr.codec
import mr.drive
import mr.iterate
import mr.session
import mr.task
from mr.cluster.simulated.engine import SimulatedEngine
from mr.commands import Accept
from mr.exclude import Exclusions
from mr.locality import ReadyTasks
from mr.reduce import Reducer
from mr.retry import RetryPolicy
from mr.running import Running
from mr.schedule import Scheduler

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def double_merge(patch: Patch) -> None:
    """The value of every node but the first is merged twice."""
    add = Reducer.add

    def twice(self: Any, node: Any, value: Any) -> None:
        add(self, node, value.merge(value) if node[0] else value)

    patch.setattr(Reducer, "add", twice)


def merge_as_they_come(patch: Patch) -> None:
    """Results are merged in the order of completion."""

    class AsTheyCome:
        def __init__(self, blocks: int, merge: Any) -> None:
            self._merge, self._total = merge, None

        def add(self, node: Any, value: Any) -> None:
            self._total = value if self._total is None else self._merge(self._total, value)

        def total(self) -> Any:
            return self._total

    patch.setattr(mr.drive, "Reducer", AsTheyCome)


def lost_task(patch: Patch) -> None:
    """A task whose worker was lost is forgotten."""
    patch.setattr(Scheduler, "_count_loss", lambda *_: [])


def failed_task_forgotten(patch: Patch) -> None:
    """A task that failed is counted, and not tried again."""
    patch.setattr(Scheduler, "_again", lambda *_: [])


def late_result_accepted(patch: Patch) -> None:
    """A late result of an earlier pass is taken for one of this pass."""
    patch.setattr(Scheduler, "_is_late", lambda *_: False)
    task = mr.session.Task
    patch.setattr(mr.session, "Task", lambda number, low, high: task(0, low, high))


def duplicate_counted(patch: Patch) -> None:
    """A result that comes twice counts as two."""
    finished = Scheduler._finished

    def counted(self: Any, event: Any, now: float) -> Any:
        self._pending -= self._records[event.attempt.task].done
        return finished(self, event, now)

    patch.setattr(Scheduler, "_finished", counted)


def checkpoint_before_state(patch: Patch) -> None:
    """A checkpoint holds the state before the pass that it is named after."""
    encode, last = mr.codec.encode_state, {}

    def late(state: Any) -> Any:
        before, last["state"] = last.get("state", state), state
        return encode(before)

    patch.setattr(mr.iterate, "encode_state", late)


def checkpoint_forgets(patch: Patch) -> None:
    """A checkpoint is read back with its numbers rounded."""
    decode = mr.codec.decode_state

    def rounded(cls: Any, meta: Any, arrays: Any) -> Any:
        return decode(
            cls, meta, {k: np.asarray(a, np.float32).astype(a.dtype) for k, a in arrays.items()}
        )

    patch.setattr(mr.iterate, "decode_state", rounded)


def stale_point(patch: Patch) -> None:
    """A machine goes on with the point of the pass before."""
    finish = SimulatedEngine._finish

    def stale(self: Any, work: Any, worker: Any, blow: Any) -> None:
        points = self.__dict__.setdefault("points", {})
        point = points.setdefault(worker.machine.index, work.round)
        if work.round.program is point.program:
            work = replace(work, round=point)
        finish(self, work, worker, blow)

    patch.setattr(SimulatedEngine, "_finish", stale)


def result_of_another_task(patch: Patch) -> None:
    """A payload is taken for the task that finished before it."""
    finished, kept = Scheduler._finished, {}

    def swapped(self: Any, event: Any, now: float) -> Any:
        commands = finished(self, event, now)
        for place, command in enumerate(commands):
            if isinstance(command, Accept):
                earlier = kept.get("payload", command.payload)
                kept["payload"] = command.payload
                commands[place] = replace(command, payload=earlier)
        return commands

    patch.setattr(Scheduler, "_finished", swapped)


def no_time_limit(patch: Patch) -> None:
    """An attempt that hangs is never stopped, nor put beside another."""
    patch.setattr(Running, "too_long", lambda *_: [])
    patch.setattr(Running, "stragglers", lambda *_: [])


def backoff_forgets(patch: Patch) -> None:
    """A task whose backoff is over is dropped."""

    def dropped(self: Any, now: float) -> Any:
        while self._delayed and self._delayed[0][0] <= now:
            heapq.heappop(self._delayed)
        return self._stop_late(now) + self._launch_ready(now) + self._launch_copies(now)

    patch.setattr(Scheduler, "tick", dropped)


def no_retry(patch: Patch) -> None:
    """The first failure is the last."""
    patch.setattr(RetryPolicy, "again", lambda *_: False)


def lost_worker_condemns(patch: Patch) -> None:
    """The first lost worker condemns the task that it ran."""
    patch.setattr(RetryPolicy, "again_after_loss", lambda *_: False)


def workers_forgotten(patch: Patch) -> None:
    """The workers of one pass are unknown in the next."""
    run_pass = mr.drive.Driver.run_pass

    def forgetful(self: Any, *arguments: Any) -> Any:
        total = run_pass(self, *arguments)
        self.workers.clear()
        return total

    patch.setattr(mr.drive.Driver, "run_pass", forgetful)


def only_old_friends(patch: Patch) -> None:
    """A task is given to the worker that did it before, or to none."""
    take = ReadyTasks.take

    def loyal(self: Any, worker: str, host: str, hosts: Any, now: float) -> Any:
        task = self._first(self._of_worker.get(worker))
        others = not any(self._affinity.get(task.node) for task in self._since)
        return take(self, worker, host, hosts, now) if task or others else None

    patch.setattr(ReadyTasks, "take", loyal)


def excluded_for_ever(patch: Patch) -> None:
    """One failure excludes a worker and its host, all of them if need be, for ever."""

    def strike(self: Any, worker: str, host: str, now: float) -> None:
        self._until |= {worker: np.inf, host: np.inf}

    def allowed(self: Any, present: Any, now: float) -> set[str]:
        return {name for name in present if name not in self._until}

    patch.setattr(Exclusions, "strike", strike)
    patch.setattr(Exclusions, "allowed", allowed)
    patch.setattr(Exclusions, "wakeup", lambda *_: None)


def numbers_given_twice(patch: Patch) -> None:
    """A second attempt has the number of the first."""
    launch = Scheduler._launch

    def again(self: Any, task: Any, worker: str, now: float) -> Any:
        command = launch(self, task, worker, now)
        self._records[task].started = 1
        return command

    patch.setattr(Scheduler, "_launch", again)


def half_a_result(patch: Patch) -> None:
    """An attempt that fails leaves what it had so far as its result."""
    fold = mr.task.fold

    def half(node: Any, leaf: Any, merge: Any) -> Any:
        def tolerant(index: int) -> Any:
            try:
                return leaf(index)
            except mr.task.GradfoldError:
                return None

        return fold(node, tolerant, merge)

    patch.setattr(mr.task, "fold", half)


def skipped_block(patch: Patch) -> None:
    """After a retry the last block of a task is left out."""
    launch = Scheduler._launch

    def shorter(self: Any, task: Any, worker: str, now: float) -> Any:
        command = launch(self, task, worker, now)
        again = command.attempt.number > 0
        return replace(command, skip=frozenset({task.high - 1})) if again else command

    patch.setattr(Scheduler, "_launch", shorter)


def copies_wait_for_nothing(patch: Patch) -> None:
    """A straggler is woken up for and never copied: the driver turns in circles, or waits."""
    patch.setattr(Scheduler, "_launch_copies", lambda *_: [])
    patch.setattr(Running, "too_long", lambda *_: [])


CATALOGUE: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        double_merge,
        merge_as_they_come,
        lost_task,
        failed_task_forgotten,
        late_result_accepted,
        duplicate_counted,
        checkpoint_before_state,
        checkpoint_forgets,
        stale_point,
        result_of_another_task,
        no_time_limit,
        backoff_forgets,
        no_retry,
        lost_worker_condemns,
        workers_forgotten,
        only_old_friends,
        excluded_for_ever,
        numbers_given_twice,
        half_a_result,
        skipped_block,
        copies_wait_for_nothing,
    )
}
