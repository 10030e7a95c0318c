"""A fit on a virtual cluster in a storm, repeated after each death of its driver."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from mr import Dataset, FoldJob
from mr.algorithms.solvers.gradient_descent import GradientDescent
from mr.cluster.simulated.engine import DriverKilled, SimulatedEngine
from mr.cluster.simulated.spec import ClusterSpec
from mr.cluster.simulated.storm import Blow, Storm
from mr.config import Config
from mr.errors import GradfoldError, StorageError, TaskFailed
from mr.events import Event
from mr.iterate import iterate
from mr.ledger import Ledger, MemoryLedger, RunDirectory
from mr.policies import Policies
from mr.retry import RetryPolicy
from mr.session import Session
from mr.storage.faults import MEMORY, POSIX, S3, Fault, Killed, faulty
from mr.task import Task

BLOCKS = 13
LIMIT = 60.0
"""Virtual seconds that an attempt may run; a calm one takes a fraction of one."""
LIVES = 4
"""Drivers that may be needed; the last one is never killed."""
PLAN = {"identity": {"job": "least squares"}, "recipe": None}
PASSING = [Fault.TRANSIENT, Fault.UNACKNOWLEDGED]
"""What storage does to the last life: nothing that a repeated call does not mend."""
OpenLedger = Callable[[int], Ledger | None]
POLICIES = Policies(retry=RetryPolicy(timeout=LIMIT))


class LeastSquares(FoldJob):
    """Sums whose bits tell the order in which they were added up."""

    def map(self, block: Any, point: Any) -> dict[str, Any]:
        residual = block.X @ point["x"] - block.y
        return {
            "loss": 0.5 * residual @ residual,
            "gradient": block.X.T @ residual,
            "weight": block.rows,
        }


@cache
def data() -> Dataset:
    """Return a small dataset whose sums round."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(4 * BLOCKS, 3)) * np.exp(rng.normal(size=(4 * BLOCKS, 1)))
    dataset = Dataset.from_arrays(X, rng.normal(size=len(X)), block_size=4 * (4 * 8 + 16))
    assert len(dataset.blocks) == BLOCKS
    return dataset


@dataclass
class Life:
    """What came of one driver.

    Parameters
    ----------
    x : bytes, optional
        The solution, bit for bit, and the number of passes.
    error : GradfoldError, optional
        What the run ended with instead.
    killed : bool
        Whether the driver died.
    engine : SimulatedEngine
    events : list of Event
    """

    engine: SimulatedEngine
    x: bytes | None = None
    error: GradfoldError | None = None
    killed: bool = False
    events: list[Event] = field(default_factory=list)


def live(spec: ClusterSpec, storm: Storm, ledger: Ledger | None = None) -> Life:
    """Run one driver to its end."""
    config = Config(workers=1)
    engine = SimulatedEngine(config, spec, storm)
    life = Life(engine)
    listeners = (life.events.append,)
    solver = GradientDescent(np.zeros(3), tol=1e-12, max_iter=3)
    try:
        session = Session(engine, config, ledger or MemoryLedger(), listeners, POLICIES)
        outcome = iterate(LeastSquares(), solver, data(), session)
        life.x = outcome.state.x.tobytes() + bytes([outcome.passes])
    except (DriverKilled, Killed):
        life.killed = True
    except GradfoldError as error:
        life.error = error
    return life


@cache
def expected() -> bytes:
    """Return the outcome of a calm run on one worker."""
    calm = live(ClusterSpec(machines=1, cores=1), Storm.calm())
    assert calm.x is not None
    return calm.x


def cluster(seed: int) -> ClusterSpec:
    """Draw a small cluster, slow enough for its attempts to overlap."""
    chance = random.Random(seed)
    return ClusterSpec(
        machines=chance.randint(2, 5),
        cores=chance.randint(1, 3),
        racks=chance.randint(1, 2),
        replicas=chance.randint(0, 3),
        compute=1000.0,
        latency=chance.choice([0.0001, 0.05, 0.5]),
        jitter=chance.choice([0.1, 2.0]),
        seed=seed,
    )


def storm(seed: int, life: int, blows: int) -> Storm:
    """Draw what befalls a driver's life; the last life has no death."""
    kinds = [kind for kind in Blow if kind is not Blow.DRIVER or life < LIVES - 1]
    return Storm.draw(seed * LIVES + life, blows, 120, kinds)


def excused(life: Life) -> bool:
    """Return whether a run that failed had used up its retries: only then it may."""
    error = life.error
    if not isinstance(error, TaskFailed):
        return False
    tasks = {str(event.attempt.task): event.attempt.task for event in life.events if _starts(event)}
    task: Task = tasks[(error.place.attempt or "").rpartition(".")[0]]
    toll = life.engine.toll(task)
    retry = POLICIES.retry
    return toll.failures >= retry.attempts or toll.losses >= retry.losses


def _starts(event: Event) -> bool:
    return type(event).__name__ == "AttemptStarted"


def check(seed: int, blows: int = 12, open_ledger: OpenLedger | None = None) -> str:
    """Run a seed; return ``same``, or ``excused`` where retries were used up.

    ``open_ledger`` opens the run's ledger for a life, the n-th; None is a driver that
    died over it.

    Raises
    ------
    AssertionError
        If the run ended in any other way; the message repeats it.
    """
    repeat = f"python -m simulating {seed}"
    kept = _Kept()
    for number in range(LIVES):
        ledger = open_ledger(number) if open_ledger else kept
        if ledger is None:
            continue
        life = live(cluster(seed), storm(seed, number, blows), ledger)
        died = isinstance(life.error, StorageError)  # as a user's run does: it is resumed
        if life.killed or (died and number < LIVES - 1):
            continue
        if life.error is not None:
            assert excused(life), f"{repeat}: {life.error}"
            return "excused"
        assert life.x == expected(), f"{repeat}: other bits"
        return "same"
    raise AssertionError(f"{repeat}: the last driver was killed too")


def check_on_storage(seed: int) -> str:
    """Run a seed with its ledger on a storage that fails, too: calls that are not done, done
    and not acknowledged, half done, and such as the driver dies over.
    """
    chance = random.Random(seed)
    with faulty(chance.choice([POSIX, MEMORY, S3])) as world:

        def open_ledger(number: int) -> Ledger | None:
            faults = list(Fault) if number < LIVES - 1 else PASSING
            struck = chance.sample(range(1, 60), 3)
            world.restart({operation: chance.choice(faults) for operation in struck})
            try:
                return RunDirectory.open(f"{world.url}/run", PLAN, interval=0)
            except (Killed, StorageError):
                assert number < LIVES - 1, f"seed {seed}: the run could not be opened"
                return None

        return check(seed, open_ledger=open_ledger)


class _Kept(MemoryLedger):
    """A ledger that outlives drivers, and takes a checkpoint after every other pass."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: Any = None

    def checkpoint(self, passes: int, meta: Any, arrays: Any) -> bool:
        if passes % 2:
            return False
        copies = {name: np.array(array) for name, array in arrays.items()}
        self._newest = (passes, (dict(meta), copies))
        return True

    def newest(self) -> Any:
        return self._newest


if __name__ == "__main__":
    import sys

    print(check(int(sys.argv[1])))
