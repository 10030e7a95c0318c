"""Listeners of a run: the tally, progress, and the demo's killer."""

from __future__ import annotations

import io
import os
import signal

import pytest
from rich.console import Console

from mr import demo, progress
from mr.events import (
    AttemptFinished,
    AttemptStarted,
    PassFinished,
    PassStarted,
    RoundFinished,
    RunFinished,
    RunStarted,
    TaskDone,
    TaskRetried,
    WorkerJoined,
    WorkerLost,
)
from mr.tally import Tally
from mr.task import Attempt, Task

TASKS = [Task(1, 0, 1), Task(1, 1, 2)]
JOINED = [WorkerJoined("worker-0", 100, "here"), WorkerJoined("worker-1", 101, "here")]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_tally_counts_results_retries_and_losses():
    tally = Tally()
    lost = WorkerLost("worker-0", "killed")
    again = AttemptStarted(Attempt(TASKS[1], 1), "worker-1")
    events = [*JOINED, TaskDone(TASKS[0], "worker-1"), lost, again]
    for event in [*events, WorkerJoined("worker-2", 102, "here"), TaskDone(TASKS[1], "worker-2")]:
        tally(event)
    assert tally.workers() == [
        {"worker": "worker-0", "pid": 100, "tasks": 0},
        {"worker": "worker-1", "pid": 101, "tasks": 1},
        {"worker": "worker-2", "pid": 102, "tasks": 1},
    ]
    assert (tally.retries, tally.lost, tally.present) == (1, 1, {"worker-1", "worker-2"})


def rounds(listener, clock, gradients, seconds):
    listener(RunStarted("Job", "inline", 2, 0))
    for number, gradient in enumerate(gradients, start=1):
        listener(PassStarted(number, "fit", 2))
        for task in TASKS:
            listener(TaskDone(task, "worker-0"))
        clock.now += seconds
        listener(PassFinished(number, seconds))
        listener(RoundFinished(number, {"loss": 0.5, "gradient": gradient}))


def test_lines_name_round_loss_gradient_tasks_workers_and_retries():
    clock, written = Clock(), []
    listener = progress.lines(written.append, clock=clock)
    again = AttemptStarted(Attempt(TASKS[0], 1), "worker-0")
    for event in [*JOINED, TaskRetried(TASKS[0], "worker-9 was killed"), again]:
        listener(event)
    rounds(listener, clock, [0.1], 2.0)
    listener(RunFinished("converged: well", 1))
    for part in ("pass 1", "loss 0.5", "gradient 1.0e-01", "tasks 2/2", "workers 2", "retries 1"):
        assert part in written[0]
    assert "worker-9 was killed" in written[0]
    assert written[-1] == "converged: well"


def test_quick_passes_are_not_a_line_each():
    clock, written = Clock(), []
    rounds(progress.lines(written.append, clock=clock), clock, [0.5**n for n in range(100)], 0.1)
    assert 5 <= len(written) <= 12


def test_the_time_left_follows_from_how_fast_the_gradient_shrinks():
    clock = Clock()
    figures = progress.Figures(1e-6, clock)
    rounds(figures.take, clock, [1e-1, 1e-2, 1e-3], 10.0)
    assert figures.seconds_left() == pytest.approx(30.0)
    assert "about 30 s left" in figures.text()


@pytest.mark.parametrize("gradients", [[0.1], [0.1, 0.2], [0.0, 0.0], [float("nan")] * 3])
def test_no_time_left_is_named_where_nothing_is_known(gradients):
    clock = Clock()
    figures = progress.Figures(1e-6, clock)
    rounds(figures.take, clock, gradients, 10.0)
    assert figures.seconds_left() is None or "left" not in figures.text()


def test_figures_of_a_fit_do_not_linger_in_the_next_pass():
    clock = Clock()
    figures = progress.Figures(clock=clock)
    rounds(figures.take, clock, [0.1], 1.0)
    figures.take(PassStarted(0, "survey", 3))
    assert figures.text().startswith("survey")
    assert "loss" not in figures.text()


def test_the_live_display_gives_the_terminal_back_whatever_happens():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)

    def interrupted():
        with progress.live(console=console) as listener:
            rounds(listener, Clock(), [0.1], 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "loss 0.5" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


class Signals:
    """Stands in for the system: takes down whom a signal would have reached."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "kill", lambda pid, number: self.sent.append((pid, number)))
        # The timer's moment has come as soon as it is started.
        monkeypatch.setattr(demo.threading, "Timer", Signals.Now)

    class Now:
        """A timer that is over at once."""

        def __init__(self, delay, function, arguments):
            self.start = lambda: function(*arguments)


def test_the_killer_strikes_once_and_not_before_its_pass(monkeypatch):
    signals = Signals(monkeypatch)
    killer = demo.Killer(from_pass=2)
    early, late = Attempt(TASKS[0], 0), Attempt(Task(2, 0, 1), 0)
    for event in [*JOINED, AttemptStarted(early, "worker-0")]:
        killer(event)
    assert signals.sent == []
    for event in [
        AttemptStarted(late, "worker-1"),
        WorkerLost("worker-1", "killed"),
        TaskRetried(late.task, "killed"),
        AttemptStarted(Attempt(late.task, 1), "worker-0"),
    ]:
        killer(event)
    assert signals.sent == [(101, signal.SIGKILL)]
    assert killer.killed == demo.Killed("worker-1", 101, late)


def test_a_kill_that_came_too_late_does_not_count(monkeypatch):
    signals = Signals(monkeypatch)
    killer = demo.Killer(from_pass=1)
    first, second = Attempt(TASKS[0], 0), Attempt(TASKS[1], 0)
    for event in [
        *JOINED,
        AttemptStarted(first, "worker-0"),
        AttemptFinished(first, "worker-0", None),
        WorkerLost("worker-0", "killed"),
    ]:
        killer(event)
    assert killer.killed is None
    for event in [AttemptStarted(second, "worker-1"), TaskRetried(second.task, "killed")]:
        killer(event)
    assert killer.killed == demo.Killed("worker-1", 101, second)
    assert [pid for pid, _ in signals.sent] == [100, 101]
