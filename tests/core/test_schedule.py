"""The scheduler, told by hand what happens: no clock, no engine, no sleep."""

from __future__ import annotations

import numpy as np
import pytest

from mr.commands import Abort, Accept, Command, Launch, Retry, Stop
from mr.errors import (
    ImpossibleTransition,
    InjectedFault,
    MalformedRecord,
    NondeterministicMap,
    TaskFailed,
    TaskTimeout,
)
from mr.events import (
    AttemptFailed,
    AttemptFinished,
    EngineEvent,
    WorkerAlive,
    WorkerJoined,
    WorkerLost,
)
from mr.policies import Policies
from mr.recollection import Recollection
from mr.retry import RetryPolicy
from mr.schedule import Scheduler
from mr.storage.container import pack
from mr.task import Attempt, Task

POLICY = RetryPolicy(attempts=3, losses=2, backoff=1.0, longest=8.0)


def tasks(count: int) -> list[Task]:
    return [Task(1, number, number + 1) for number in range(count)]


def payload(value: float = 0.0) -> bytes:
    return pack({}, {"value": np.array(value)})


def soft(attempt: Attempt, worker: str) -> AttemptFailed:
    return AttemptFailed(attempt, worker, InjectedFault("it failed"))


def recollection(policy: RetryPolicy, affinity=None) -> Recollection:
    """Return the memory of a driver whose scheduler repeats by this policy, and copies nothing."""
    return Recollection(Policies(retry=policy, speculation=None), affinity or {})


def shown(commands: list[Command]) -> list[str]:
    """Return commands in short: ``launch p1.b0-1.a0 on w0``."""
    texts = []
    for command in commands:
        match command:
            case Launch(attempt, worker, _):
                texts.append(f"launch {attempt} on {worker}")
            case Stop(attempt, worker):
                texts.append(f"stop {attempt} on {worker}")
            case Accept(task, worker, _):
                texts.append(f"accept {task} from {worker}")
            case Retry(task, _):
                texts.append(f"retry {task}")
            case Abort(error):
                texts.append(f"abort {type(error).__name__}")
    return texts


class Script:
    """A scheduler, and events in short: ``join w0``, ``finish 0.0 w0``, ``fail 0.1 w1``."""

    def __init__(self, count: int, policy: RetryPolicy = POLICY, affinity=None) -> None:
        self.tasks = tasks(count)
        self.scheduler = Scheduler(self.tasks, recollection(policy, affinity))

    def attempt(self, text: str) -> Attempt:
        task, number = text.split(".")
        return Attempt(self.tasks[int(task)], int(number))

    def at(self, now: float, text: str) -> list[str]:
        if text == "tick":
            return shown(self.scheduler.tick(now))
        event = self.event(*text.split())
        commands = [] if event is None else self.scheduler.handle(event, now)
        return shown(commands + self.scheduler.tick(now))

    def event(self, what: str, *rest: str) -> EngineEvent:
        if what == "join":
            return WorkerJoined(rest[0], 1, "host")
        if what == "lose":
            return WorkerLost(rest[0], "it was killed")
        attempt, worker = self.attempt(rest[0]), rest[1]
        if what in RESULTS:
            return AttemptFinished(attempt, worker, RESULTS[what])
        return AttemptFailed(attempt, worker, ERRORS[what])


RESULTS = {"finish": payload(0.0), "differ": payload(1.0), "nothing": None}
ERRORS = {"fail": InjectedFault("it failed"), "break": MalformedRecord("bad line")}


SCRIPTS = {
    "tasks are launched in order, one a worker": (
        3,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "join w1", ["launch p1.b1-2.a0 on w1"]),
            (1, "finish 1.0 w1", ["accept p1.b1-2 from w1", "launch p1.b2-3.a0 on w1"]),
            (2, "finish 0.0 w0", ["accept p1.b0-1 from w0"]),
            (3, "finish 2.0 w1", ["accept p1.b2-3 from w1"]),
        ],
    ),
    "a failure is retried after a backoff that doubles": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (5, "fail 0.0 w0", ["retry p1.b0-1"]),
            (5.9, "tick", []),
            (6, "tick", ["launch p1.b0-1.a1 on w0"]),
            (10, "fail 0.1 w0", ["retry p1.b0-1"]),
            (11.9, "tick", []),
            (12, "tick", ["launch p1.b0-1.a2 on w0"]),
            (13, "finish 0.2 w0", ["accept p1.b0-1 from w0"]),
        ],
    ),
    "other tasks run during a backoff": (
        2,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "fail 0.0 w0", ["retry p1.b0-1", "launch p1.b1-2.a0 on w0"]),
            (9, "finish 1.0 w0", ["accept p1.b1-2 from w0", "launch p1.b0-1.a1 on w0"]),
            (9, "finish 0.1 w0", ["accept p1.b0-1 from w0"]),
        ],
    ),
    "a task fails with its last attempt": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "fail 0.0 w0", ["retry p1.b0-1"]),
            (1, "tick", ["launch p1.b0-1.a1 on w0"]),
            (1, "fail 0.1 w0", ["retry p1.b0-1"]),
            (3, "tick", ["launch p1.b0-1.a2 on w0"]),
            (3, "fail 0.2 w0", ["abort TaskFailed"]),
        ],
    ),
    "what no retry mends ends the pass at once, and nothing more is launched": (
        3,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "break 0.0 w0", ["abort MalformedRecord"]),
            (1, "join w1", []),
        ],
    ),
    "a lost worker is no failure of its task": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (1, "join w1", ["launch p1.b0-1.a1 on w1"]),
            (1, "fail 0.1 w1", ["retry p1.b0-1"]),
            (2, "tick", ["launch p1.b0-1.a2 on w1"]),
            (2, "fail 0.2 w1", ["retry p1.b0-1"]),
            (4, "tick", ["launch p1.b0-1.a3 on w1"]),
            (4, "finish 0.3 w1", ["accept p1.b0-1 from w1"]),
        ],
    ),
    "a task that loses worker after worker is held to be the cause": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (1, "join w1", ["launch p1.b0-1.a1 on w1"]),
            (1, "lose w1", ["abort TaskFailed"]),
        ],
    ),
    "losing an idle worker, or one that never joined, harms nobody": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "join w1", []),
            (0, "lose w1", []),
            (0, "lose w9", []),
            (1, "finish 0.0 w0", ["accept p1.b0-1 from w0"]),
        ],
    ),
    "the late result of a lost attempt is fenced out": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (0, "finish 0.0 w0", []),
            (0, "fail 0.0 w0", []),
            (1, "join w1", ["launch p1.b0-1.a1 on w1"]),
            (1, "finish 0.0 w0", []),
            (2, "finish 0.1 w1", ["accept p1.b0-1 from w1"]),
        ],
    ),
    "a result that comes twice with the same bits is taken once": (
        2,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (1, "join w1", ["launch p1.b1-2.a0 on w1"]),
            (1, "finish 1.0 w1", ["accept p1.b1-2 from w1", "launch p1.b0-1.a1 on w1"]),
            (2, "finish 0.1 w1", ["accept p1.b0-1 from w1"]),
            (3, "finish 0.0 w0", []),
            (3, "fail 0.0 w0", []),
        ],
    ),
    "two attempts with different bits end the pass": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (1, "join w1", ["launch p1.b0-1.a1 on w1"]),
            (2, "finish 0.1 w1", ["accept p1.b0-1 from w1"]),
            (3, "differ 0.0 w0", ["abort NondeterministicMap"]),
        ],
    ),
    "a term and no term are different results": (
        1,
        [
            (0, "join w0", ["launch p1.b0-1.a0 on w0"]),
            (0, "lose w0", ["retry p1.b0-1"]),
            (1, "join w1", ["launch p1.b0-1.a1 on w1"]),
            (2, "nothing 0.1 w1", ["accept p1.b0-1 from w1"]),
            (3, "nothing 0.0 w0", []),
            (3, "finish 0.0 w0", ["abort NondeterministicMap"]),
        ],
    ),
}


@pytest.mark.parametrize(("count", "steps"), SCRIPTS.values(), ids=SCRIPTS)
def test_answers_events_with_commands(count, steps):
    script = Script(count)
    for now, event, expected in steps:
        assert script.at(now, event) == expected, event
    assert script.scheduler.done


def test_is_not_done_before_every_task_has_its_result():
    script = Script(2)
    assert not script.scheduler.done
    script.at(0, "join w0")
    script.at(0, "finish 0.0 w0")
    assert not script.scheduler.done
    script.at(0, "finish 1.0 w0")
    assert script.scheduler.done


class TestAffinity:
    def test_gives_a_worker_the_nodes_it_did_before(self):
        script = Script(2, affinity={(0, 1): "w1", (1, 2): "w0"})
        assert script.at(0, "join w0") == ["launch p1.b1-2.a0 on w0"]
        assert script.at(0, "join w1") == ["launch p1.b0-1.a0 on w1"]

    def test_lets_an_idle_worker_take_over_from_the_longest_queue(self):
        homes = {(0, 1): "w0", (1, 2): "w1", (2, 3): "w1", (3, 4): "w1"}
        script = Script(4, affinity=homes)
        script.at(0, "join w0")
        script.at(0, "join w1")
        assert script.at(1, "finish 0.0 w0")[1:] == ["launch p1.b2-3.a0 on w0"]

    def test_prefers_what_is_nobodys_to_what_is_anothers(self):
        script = Script(3, affinity={(0, 1): "w1", (1, 2): "w0"})
        assert script.at(0, "join w0") == ["launch p1.b1-2.a0 on w0"]
        assert script.at(1, "finish 1.0 w0")[1:] == ["launch p1.b2-3.a0 on w0"]

    def test_gives_what_a_lost_worker_waited_for_to_the_others(self):
        script = Script(3, affinity={(0, 1): "w1", (1, 2): "w1", (2, 3): "w0"})
        script.at(0, "join w0")
        script.at(0, "join w1")
        script.at(0, "lose w1")
        assert script.at(2, "finish 2.0 w0")[1:] == ["launch p1.b1-2.a0 on w0"]
        assert script.at(2, "finish 1.0 w0")[1:] == ["launch p1.b0-1.a1 on w0"]

    def test_waits_for_nobody_who_is_gone(self):
        script = Script(1, affinity={(0, 1): "of-the-pass-before"})
        assert script.at(0, "join w0") == ["launch p1.b0-1.a0 on w0"]


class TestTimeLimit:
    policy = RetryPolicy(attempts=2, losses=4, backoff=1.0, timeout=10.0)

    def script(self) -> Script:
        script = Script(1, self.policy)
        script.at(0, "join w0")
        return script

    def test_stops_what_runs_too_long_and_tries_again_elsewhere(self):
        script = self.script()
        script.at(0, "join w1")
        assert script.at(9.9, "tick") == []
        assert script.at(10, "tick") == ["stop p1.b0-1.a0 on w0", "retry p1.b0-1"]
        assert script.at(11, "tick") == ["launch p1.b0-1.a1 on w1"]
        assert script.at(12, "lose w0") == []
        assert script.at(13, "finish 0.1 w1") == ["accept p1.b0-1 from w1"]

    def test_gives_a_worker_no_work_before_it_is_known_to_have_stopped(self):
        script = self.script()
        script.at(10, "tick")
        assert script.at(20, "tick") == []
        assert script.at(20, "lose w0") == []
        assert script.at(20, "join w1") == ["launch p1.b0-1.a1 on w1"]

    def test_fences_out_what_a_stopped_attempt_returns(self):
        script = self.script()
        script.at(10, "tick")
        assert script.at(10.5, "finish 0.0 w0") == []
        assert script.at(11, "tick") == ["launch p1.b0-1.a1 on w0"]
        assert not script.scheduler.done

    def test_takes_a_result_that_comes_before_the_limit_is_acted_upon(self):
        assert self.script().at(99, "finish 0.0 w0") == ["accept p1.b0-1 from w0"]

    def test_counts_as_a_failure(self):
        script = self.script()
        script.at(10, "tick")
        script.at(10, "lose w0")
        script.at(11, "join w1")
        commands = script.scheduler.tick(21)
        assert shown(commands) == ["stop p1.b0-1.a1 on w1", "abort TaskFailed"]
        assert isinstance(commands[-1].error.last, TaskTimeout)
        assert commands[-1].error.remedy

    def test_says_when_to_wake_up(self):
        script = self.script()
        assert script.scheduler.wakeup(0.0) == 10.0
        script.at(4, "fail 0.0 w0")
        assert script.scheduler.wakeup(0.0) == 5.0
        script.at(5, "tick")
        assert script.scheduler.wakeup(0.0) == 15.0
        script.at(6, "finish 0.1 w0")
        assert script.scheduler.wakeup(0.0) is None


def test_waits_for_events_alone_where_there_is_no_time_limit():
    script = Script(1)
    assert script.scheduler.wakeup(0.0) is None
    script.at(0, "join w0")
    assert script.scheduler.wakeup(0.0) is None


def test_knows_what_is_running():
    script = Script(3)
    script.at(0, "join w0")
    script.at(0, "join w1")
    script.at(0, "finish 0.0 w0")
    assert script.scheduler.running == [script.attempt("1.0"), script.attempt("2.0")]


def test_names_the_last_error_of_a_task_that_failed():
    script = Script(1, RetryPolicy(attempts=1))
    script.at(0, "join w0")
    error = InjectedFault("the disk is full", cause="a full disk", remedy="empty it")
    (abort,) = script.scheduler.handle(AttemptFailed(script.attempt("0.0"), "w0", error), 0)
    assert isinstance(abort.error, TaskFailed)
    assert abort.error.last is error
    assert (abort.error.cause, abort.error.remedy) == ("a full disk", "empty it")
    assert "each of its 1 attempts" in str(abort.error)


class TestImpossible:
    @pytest.mark.parametrize("event", ["finish 0.1 w0", "fail 0.1 w0", "finish 1.0 w0"])
    def test_refuses_the_end_of_what_was_not_launched(self, event):
        script = Script(2)
        script.at(0, "join w0")
        with pytest.raises(ImpossibleTransition, match="was never launched"):
            script.at(1, event)

    def test_tells_the_story_of_the_task(self):
        script = Script(1)
        script.at(0, "join w0")
        script.at(1, "fail 0.0 w0")
        script.at(2, "tick")
        script.at(2.5, "lose w0")
        with pytest.raises(ImpossibleTransition) as caught:
            script.at(3, "finish 0.7 w0")
        told = str(caught.value).splitlines()[1:]
        assert told == [
            "0.000  p1.b0-1.a0 launched on w0",
            "1.000  p1.b0-1.a0 failed: it failed",
            "2.000  p1.b0-1.a1 launched on w0",
            "2.500  p1.b0-1.a1 lost with w0: it was killed",
        ]

    def test_refuses_a_task_of_another_pass(self):
        script = Script(1)
        script.at(0, "join w0")
        with pytest.raises(ImpossibleTransition, match="not of this pass"):
            script.scheduler.handle(soft(Attempt(Task(7, 0, 1), 0), "w0"), 0)

    def test_refuses_that_a_busy_worker_joins(self):
        script = Script(2)
        script.at(0, "join w0")
        with pytest.raises(ImpossibleTransition, match=r"w0 joined and was running p1\.b0-1\.a0"):
            script.at(0, "join w0")

    def test_bears_that_an_idle_worker_joins_twice(self):
        script = Script(1)
        script.at(0, "join w0")
        script.at(0, "join w1")
        assert script.at(0, "join w1") == []


def test_nondeterminism_is_named_with_its_remedy():
    script = Script(1)
    script.at(0, "join w0")
    script.at(0, "finish 0.0 w0")
    done = AttemptFinished(script.attempt("0.0"), "w0", payload(2.0))
    (abort,) = script.scheduler.handle(done, 1)
    assert isinstance(abort.error, NondeterministicMap)
    assert "p1.b0-1" in str(abort.error)
    assert abort.error.remedy


class TestSignsOfLife:
    """On engines whose workers give them; a silent one is lost, and that is no failure."""

    def scheduler(self) -> Scheduler:
        policies = Policies(retry=RetryPolicy(attempts=1), speculation=None, silence=30.0)
        scheduler = Scheduler(tasks(1), Recollection(policies, vital=True))
        scheduler.handle(WorkerJoined("w0", 1, "host"), 0)
        scheduler.handle(WorkerJoined("w1", 2, "host"), 0)
        assert shown(scheduler.tick(0)) == ["launch p1.b0-1.a0 on w0"]
        return scheduler

    def test_are_waited_for_from_the_start_of_an_attempt(self):
        scheduler = self.scheduler()
        assert scheduler.wakeup(0) == 30.0
        assert shown(scheduler.tick(29.9)) == []
        assert shown(scheduler.tick(30)) == ["stop p1.b0-1.a0 on w0", "retry p1.b0-1"]
        assert shown(scheduler.tick(32)) == ["launch p1.b0-1.a1 on w1"]

    def test_put_off_the_end(self):
        scheduler = self.scheduler()
        scheduler.handle(WorkerAlive("w0"), 20)
        assert scheduler.wakeup(20) == 50.0
        assert shown(scheduler.tick(49)) == []
        assert shown(scheduler.tick(50)) == ["stop p1.b0-1.a0 on w0", "retry p1.b0-1"]
