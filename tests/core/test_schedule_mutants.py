"""What no test of the scheduler noticed when it was changed, found by ``make mutants``."""

from __future__ import annotations

import numpy as np
import pytest

from mr.badblocks import BadBlocks
from mr.commands import Launch, Skip, Stop
from mr.errors import InjectedFault, MalformedRecord, Place
from mr.events import AttemptFailed, AttemptFinished, WorkerJoined, WorkerLost
from mr.exclude import Exclusion
from mr.policies import Policies
from mr.recollection import Recollection
from mr.retry import RetryPolicy
from mr.schedule import Scheduler
from mr.speculate import Speculation
from mr.storage.container import pack
from mr.task import Attempt, Task

REST = 30.0
PAYLOAD = pack({}, {"value": np.array(1.0)})


def tasks(count: int) -> list[Task]:
    return [Task(1, number, number + 1) for number in range(count)]


def begun(policies: Policies, count: int, *workers: tuple[str, str]) -> Scheduler:
    """Return a scheduler of so many tasks whose workers, each on its host, have joined."""
    scheduler = Scheduler(tasks(count), Recollection(policies))
    for name, host in workers:
        scheduler.handle(WorkerJoined(name, 1, host), 0.0)
    return scheduler


def fail(scheduler: Scheduler, attempt: Attempt, worker: str, now: float) -> None:
    scheduler.handle(AttemptFailed(attempt, worker, InjectedFault("it failed")), now)


@pytest.mark.parametrize("hosts", [("one", "one"), ("one", "two")])
def test_a_worker_that_is_excluded_gets_no_work_until_it_comes_back(hosts):
    retry = RetryPolicy(attempts=9, backoff=0.0)
    exclusion = Exclusion(failures=1, rest=REST)
    policies = Policies(retry=retry, exclusion=exclusion, speculation=None)
    scheduler = begun(policies, 3, ("bad", hosts[0]), ("good", hosts[1]))
    scheduler.tick(0.0)
    fail(scheduler, Attempt(Task(1, 0, 1), 0), "bad", 1.0)
    assert scheduler.tick(1.0) == []  # the other is at work
    assert scheduler.wakeup(1.0) == 1.0 + REST
    scheduler.handle(AttemptFinished(Attempt(Task(1, 1, 2), 0), "good", PAYLOAD), 2.0)
    assert [command.worker for command in scheduler.tick(2.0)] == ["good"]
    assert [command.worker for command in scheduler.tick(1.0 + REST)] == ["bad"]


def test_all_that_befalls_a_task_is_in_its_story():
    policies = Policies(retry=RetryPolicy(timeout=5.0, backoff=1.0), speculation=None)
    scheduler = begun(policies, 1, ("w0", "host"), ("w1", "host"))
    (task,) = tasks(1)
    scheduler.tick(2.0)
    scheduler.tick(7.0)  # too long
    scheduler.handle(WorkerLost("w0", "killed"), 7.5)
    scheduler.tick(8.0)
    scheduler.handle(AttemptFinished(Attempt(task, 1), "w1", PAYLOAD), 9.0)
    told = [line.split(maxsplit=2)[2] for line in scheduler.story(task).splitlines()]
    assert told[0] == "launched on w0"
    assert told[1] == "stopped"
    assert told[2] == f"failed: Attempt {Attempt(task, 0)} ran longer than 5 s"
    assert told[3:] == ["launched on w1", "finished on w1"]


@pytest.mark.parametrize("start", [0.0, 16.0])
def test_a_straggler_is_copied_as_soon_as_it_is_one(start):
    eager = Speculation(share=0.5, factor=1.0, least=0.25)
    scheduler = begun(Policies(speculation=eager), 2, ("w0", "one"), ("w1", "two"))
    scheduler.tick(start)
    scheduler.handle(AttemptFinished(Attempt(Task(1, 0, 1), 0), "w0", PAYLOAD), start + 0.125)
    assert scheduler.tick(start + 0.125) == []
    assert scheduler.wakeup(start + 0.125) == start + 0.25
    copy = Attempt(Task(1, 1, 2), 1)
    assert scheduler.tick(start + 0.25) == [Launch(copy, "w0")]
    commands = scheduler.handle(AttemptFinished(copy, "w0", PAYLOAD), start + 0.5)
    assert commands[1:] == [Stop(Attempt(Task(1, 1, 2), 0), "w1")]


def test_a_straggler_is_copied_on_another_host_if_there_is_one():
    eager = Speculation(share=0.3, factor=1.0, least=0.25)
    workers = ("w0", "one"), ("w1", "one"), ("w2", "two")
    scheduler = begun(Policies(speculation=eager), 3, *workers)
    scheduler.tick(0.0)
    for number, worker in ((0, "w0"), (2, "w2")):
        done = Attempt(Task(1, number, number + 1), 0)
        scheduler.handle(AttemptFinished(done, worker, PAYLOAD), 0.1)
    assert scheduler.tick(0.25) == [Launch(Attempt(Task(1, 1, 2), 1), "w2")]


def test_nothing_is_copied_while_a_task_waits_for_its_next_attempt():
    eager = Speculation(share=0.3, factor=1.0, least=0.25)
    policies = Policies(retry=RetryPolicy(backoff=4.0), speculation=eager)
    scheduler = begun(policies, 3, ("w0", "one"), ("w1", "two"), ("w2", "three"))
    scheduler.tick(0.0)
    scheduler.handle(AttemptFinished(Attempt(Task(1, 0, 1), 0), "w0", PAYLOAD), 0.1)
    fail(scheduler, Attempt(Task(1, 1, 2), 0), "w1", 0.2)
    assert scheduler.tick(3.0) == []
    assert scheduler.wakeup(3.0) == 4.2
    (launched, *_) = scheduler.tick(4.2)
    assert launched == Launch(Attempt(Task(1, 1, 2), 1), "w0")


def test_a_block_is_left_out_once_a_second_attempt_met_the_same_error():
    eager = Speculation(share=0.5, factor=1.0, least=0.25)
    policies = Policies(bad_blocks=BadBlocks(1), speculation=eager)
    scheduler = begun(policies, 2, ("w0", "one"), ("w1", "two"))
    error = MalformedRecord("bad line", place=Place(block=1))
    scheduler.tick(0.0)
    scheduler.handle(AttemptFinished(Attempt(Task(1, 0, 1), 0), "w0", PAYLOAD), 0.1)
    scheduler.tick(0.3)  # a copy, which comes upon the same block
    said = [
        (worker, command)
        for number, worker in enumerate(("w1", "w0"))
        for command in scheduler.handle(
            AttemptFailed(Attempt(Task(1, 1, 2), number), worker, error), 0.4
        )
        if isinstance(command, Skip)
    ]
    assert said == [("w0", Skip(1, error))]
