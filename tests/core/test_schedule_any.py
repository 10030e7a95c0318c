"""The scheduler with all its policies at work, through any schedule of events.

A model keeps its own books. Time is a number; where nothing runs, it is moved to the
moment at which the scheduler says that it has something to do: if it never says so, it hangs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mr.badblocks import BadBlocks
from mr.commands import Abort, Accept, Command, Launch, Stop
from mr.errors import GradfoldError, InjectedFault, MalformedRecord, Place, TaskFailed
from mr.events import AttemptFailed, AttemptFinished, EngineEvent, WorkerJoined, WorkerLost
from mr.exclude import Exclusion
from mr.locality import Locality
from mr.policies import Policies
from mr.retry import RetryPolicy
from mr.schedule import Recollection, Scheduler
from mr.speculate import Speculation
from mr.storage.container import pack
from mr.task import Attempt, Task


def tasks(count: int) -> list[Task]:
    return [Task(1, number, number + 1) for number in range(count)]


def told(scheduler: Scheduler, event: EngineEvent, now: float) -> list[Command]:
    """Tell a scheduler of one event, and let it act."""
    return scheduler.handle(event, now) + scheduler.tick(now)


def payload(value: float) -> bytes:
    return pack({}, {"value": np.array(value)})


@dataclass
class Model:
    """What must hold of any schedule."""

    policies: Policies
    busy: dict[str, Attempt | None] = field(default_factory=dict)
    seen: set[Attempt] = field(default_factory=set)
    ended: set[Attempt] = field(default_factory=set)
    accepted: set[Task] = field(default_factory=set)
    failures: Counter[Task] = field(default_factory=Counter)
    losses: Counter[Task] = field(default_factory=Counter)
    aborted: GradfoldError | None = None

    def obey(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Launch(attempt, worker):
                    self.launch(attempt, worker)
                case Stop(attempt, worker):
                    assert self.busy[worker] == attempt, "a stop of what does not run there"
                    assert attempt not in self.ended, "a stop of what has ended"
                    self.ended.add(attempt)
                    if attempt.task not in self.accepted:
                        self.count(self.failures, attempt.task)
                case Accept(task, _, _):
                    assert task not in self.accepted, "a task accepted twice"
                    self.accepted.add(task)
                case Abort(error):
                    self.aborted = error

    def launch(self, attempt: Attempt, worker: str) -> None:
        assert self.busy[worker] is None, "two attempts on one worker"
        assert attempt not in self.seen, "an attempt's number given twice"
        assert attempt.task not in self.accepted, "a done task launched"
        self.seen.add(attempt)
        self.busy[worker] = attempt
        running = [other for other in self.seen - self.ended if other.task == attempt.task]
        assert len(running) <= self.copies, "a task running too often"

    @property
    def copies(self) -> int:
        return self.policies.speculation.copies if self.policies.speculation else 1

    def count(self, counter: Counter[Task], task: Task) -> None:
        counter[task] += 1
        # The last permitted attempt may have had a copy beside it.
        assert counter[task] < LIMIT + self.copies, "a task tried too often"


@dataclass
class World:
    """Workers on two hosts, and what happens to them."""

    scheduler: Scheduler
    model: Model
    now: float = 0.0
    joined: int = 0

    def happen(self, kind: str, pick: Callable[[list[str]], str]) -> None:
        """Let a worker join, time go by, or one of the busy workers come to an end."""
        working = sorted(worker for worker, attempt in self.model.busy.items() if attempt)
        if not self.model.busy or (kind == "join" and len(self.model.busy) < 4):
            self.join()
        elif kind == "time" or not working:
            wakeup = self.scheduler.wakeup(self.now)
            assert wakeup is not None or working, "nothing runs, and nobody will ever wake up"
            self.now = max(self.now, wakeup or 0.0) + 0.25
            self.model.obey(self.scheduler.tick(self.now))
        else:
            self.end(kind, pick(working))

    def join(self) -> None:
        name = f"w{self.joined}"
        self.joined += 1
        self.model.busy[name] = None
        self.tell(WorkerJoined(name, 1, f"host-{self.joined % 2}"))

    def end(self, kind: str, worker: str) -> None:
        """End the attempt of a worker; one that was stopped may have finished all the same."""
        model, attempt = self.model, self.model.busy[worker]
        wanted = attempt not in model.ended
        model.busy[worker] = None
        model.ended.add(attempt)
        if kind == "lose" or (kind == "fail" and not wanted):
            del model.busy[worker]
            if wanted:
                model.count(model.losses, attempt.task)
            self.tell(WorkerLost(worker, "gone"))
        elif kind == "fail":
            model.count(model.failures, attempt.task)
            self.tell(AttemptFailed(attempt, worker, InjectedFault("it failed")))
        else:
            self.tell(AttemptFinished(attempt, worker, payload(attempt.task.low)))

    def tell(self, event: EngineEvent) -> None:
        self.model.obey(told(self.scheduler, event, self.now))


LIMIT = 3
"""Failures, and losses, that end a task."""

POLICIES = st.builds(
    Policies,
    retry=st.builds(
        RetryPolicy,
        attempts=st.just(LIMIT),
        losses=st.just(LIMIT),
        backoff=st.just(1.0),
        timeout=st.sampled_from([None, 3.0]),
    ),
    speculation=st.sampled_from([None, Speculation(0.5, 1.0, 1.0, 2)]),
    exclusion=st.sampled_from([Exclusion(), Exclusion(failures=1, rest=5.0)]),
)
NODES = st.integers(0, 5).map(lambda low: (low, low + 1))
AFFINITY = st.dictionaries(NODES, st.sampled_from(["w0", "w1", "w2", "of before"]))
HOSTS = st.dictionaries(
    NODES, st.lists(st.sampled_from(["host-0", "host-1", "away"]), unique=True).map(tuple)
)


@settings(max_examples=300)
@given(data=st.data(), count=st.integers(1, 6), policies=POLICIES, affinity=AFFINITY, hosts=HOSTS)
def test_every_task_is_taken_once_or_a_named_error_ends_the_pass(
    data, count, policies, affinity, hosts
):
    model = Model(policies)
    world = World(Scheduler(tasks(count), Recollection(policies, affinity), hosts), model)
    hard = st.sampled_from(["finish", "finish", "fail", "lose", "join", "time"])
    for step in range(300):
        if world.scheduler.done:
            break
        # The further it goes, the kinder the world: so it has to end.
        kind = data.draw(hard) if step < 100 else "finish"
        world.happen(kind, lambda names: data.draw(st.sampled_from(names)))
    assert world.scheduler.done
    if model.aborted is None:
        assert model.accepted == set(tasks(count))
    else:
        assert isinstance(model.aborted, TaskFailed)
        assert max((model.failures | model.losses).values()) >= LIMIT, "given up too soon"


def test_a_task_waits_for_a_worker_near_its_blocks_and_not_for_ever():
    near, far = tasks(2)
    hosts = {near.node: ("host-1",), far.node: ("host-1",)}
    policies = Policies(locality=Locality(delay=3.0), speculation=None)
    scheduler = Scheduler([near, far], Recollection(policies), hosts)
    assert told(scheduler, WorkerJoined("w1", 1, "host-1"), 0) == [Launch(Attempt(near, 0), "w1")]
    assert told(scheduler, WorkerJoined("w0", 1, "host-0"), 1) == []
    assert scheduler.wakeup(1) == 3.0
    assert scheduler.tick(2.9) == []
    assert scheduler.tick(3.0) == [Launch(Attempt(far, 0), "w0")]


def test_a_copy_that_began_before_a_block_was_left_out_does_no_harm():
    eager = Speculation(share=0.5, factor=1.0, least=0.0, copies=2)
    policies = Policies(bad_blocks=BadBlocks(1), speculation=eager)
    one, two = tasks(2)
    scheduler = Scheduler([one, two], Recollection(policies))

    def fail(number: int, worker: str, now: float) -> list[Command]:
        error = MalformedRecord("bad line", place=Place(block=0))
        return told(scheduler, AttemptFailed(Attempt(one, number), worker, error), now)

    for worker in ("w0", "w1"):
        told(scheduler, WorkerJoined(worker, 1, "host"), 0)
    told(scheduler, AttemptFinished(Attempt(two, 0), "w1", payload(1.0)), 1)
    assert list(scheduler.running) == [Attempt(one, 0), Attempt(one, 1)]
    fail(0, "w0", 2)
    assert list(scheduler.running) == [Attempt(one, 1), Attempt(one, 2)]
    fail(1, "w1", 9)
    launched = [command for command in fail(2, "w0", 10) if isinstance(command, Launch)]
    assert launched
    assert all(command.skip == {0} for command in launched)
    told(scheduler, AttemptFinished(launched[0].attempt, launched[0].worker, None), 11)
    assert scheduler.done
