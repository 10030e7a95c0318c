"""States of solvers through checkpoints: nothing is lost, at any step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import rosenbrock

from mr.algorithms.solvers.gradient_descent import GradientDescent
from mr.algorithms.solvers.lbfgs import LBFGS
from mr.algorithms.solvers.newton import Newton
from mr.codec import decode_state, encode_state
from mr.errors import UsageError
from mr.solver import Status
from mr.storage.container import pack, unpack


def through_file(state):
    """Return a state as it comes back from a checkpoint."""
    meta, arrays = unpack(pack(*encode_state(state)))
    return decode_state(type(state), meta, arrays)


def bits(value: object) -> object:
    """Return what tells two values apart, NaN and the sign of zero included."""
    match value:
        case np.ndarray():
            return value.dtype.str, value.shape, value.tobytes()
        case tuple():
            return [bits(one) for one in value]
        case float():
            return value.hex()
    return type(value), value


def bits_of(state) -> dict[str, object]:
    return {field.name: bits(getattr(state, field.name)) for field in fields(state)}


@pytest.mark.parametrize(
    "solver",
    [
        LBFGS(rosenbrock().start, memory=3),
        Newton(rosenbrock().start),
        GradientDescent(rosenbrock().start, max_iter=30),
    ],
    ids=lambda solver: type(solver).__name__,
)
def test_every_state_on_the_way_comes_back_bit_for_bit(solver):
    problem, state, steps = rosenbrock(), solver.init(), 0
    resumed = state
    while not solver.status(state).done:
        point = solver.ask(state)["x"]
        assert point.tobytes() == solver.ask(resumed)["x"].tobytes()
        state = solver.tell(state, problem.evaluate(point))
        resumed = through_file(solver.tell(resumed, problem.evaluate(point)))
        assert bits_of(resumed) == bits_of(state)
        steps += 1
    assert steps > 5
    assert solver.status(resumed) is solver.status(state)


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Everything:
    x: np.ndarray
    number: float = 0.0
    count: int = 0
    text: str = ""
    flag: bool = False
    nothing: None = None
    mood: Mood = Mood.GOOD
    status: Status | None = None
    moods: tuple[Mood, ...] = ()
    mixed: tuple[object, ...] = ()


def test_every_kind_of_value_comes_back():
    state = Everything(
        x=np.arange(6, dtype=np.float32).reshape(2, 3),
        number=-0.0,
        count=2**70,
        text="größe",
        flag=True,
        mood=Mood.BAD,
        status=Status.STALLED,
        moods=(Mood.BAD, Mood.GOOD),
        mixed=(1, 2.5, None, "a", (np.zeros(0), np.array(7)), ()),
    )
    assert bits_of(through_file(state)) == bits_of(state)


@given(st.floats())
def test_every_float_comes_back(number):
    state = Everything(x=np.array(number), number=number)
    assert bits_of(through_file(state)) == bits_of(state)


@pytest.mark.parametrize("value", [[1.0], {"a": 1}, {1}, object(), 1j, np.float32(1)])
def test_refuses_what_it_cannot_bring_back(value):
    with pytest.raises(UsageError, match=type(value).__name__) as caught:
        encode_state(Everything(x=np.zeros(1), mixed=(1, (value,))))
    assert "mixed.1.0" in caught.value.what
    assert caught.value.remedy


def test_says_which_annotation_lacks_an_enum():
    state = Everything(x=np.zeros(1), nothing=Mood.GOOD)
    with pytest.raises(UsageError, match="GOOD"):
        through_file(state)
