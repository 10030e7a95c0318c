"""From a call to a run: the options as keywords, a session opened, a ledger begun or resumed."""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np

import mr
from mr.iterate import Outcome, iterate
from mr.job import FoldJob
from mr.ledger import RunDirectory
from mr.session import RunOptions, Session
from mr.solver import Solver
from mr.statistic import Statistic
from mr.storage.dataset import Dataset

S = TypeVar("S")


class Settings(TypedDict, total=False):
    """The keywords of `RunOptions`, where its fields are documented."""

    engine: str
    workers: int | None
    faults: str | None
    task_timeout: float | None
    run: str | None
    on_bad_block: str
    checkpoint_interval: float
    call: Mapping[str, Any] | None
    listeners: tuple[Callable[[Any], None], ...]
    observer: Callable[[str, Any], None] | None


def fold(job: FoldJob, dataset: Dataset, **settings: Unpack[Settings]) -> Statistic | None:
    """Run a job of one pass and return the merged statistic.

    Parameters
    ----------
    job : FoldJob
    dataset : Dataset
    **settings
        Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, …

    Returns
    -------
    Statistic or None
        None where no block had anything to add.

    Examples
    --------
    >>> import numpy as np
    >>> from mr import Dataset, FoldJob, fold
    >>> class Total(FoldJob):
    ...     def map(self, block, point):
    ...         return {"sum": block.X.sum(axis=0)}
    >>> fold(Total(), Dataset.from_arrays(np.ones((10, 2))))["sum"].tolist()
    [10.0, 10.0]
    """
    identity = {"job": described(job), "dataset": dataset.digest()}
    lock = job.releases_lock
    with launch(dataset, RunOptions(**settings), identity, releases_lock=lock) as session:
        return session.run_pass(job, dataset)


def solve(
    job: FoldJob, solver: Solver[S], dataset: Dataset, **settings: Unpack[Settings]
) -> Outcome[S]:
    """Run a job's passes until its solver is done.

    Parameters
    ----------
    job : FoldJob
    solver : Solver
    dataset : Dataset
    **settings
        Fields of `RunOptions`; with ``run=DIR`` the run can be resumed by the same call.

    Raises
    ------
    LedgerMismatch
        If ``run`` holds another run.
    """
    identity = {"job": described(job), "solver": described(solver), "dataset": dataset.digest()}
    lock = job.releases_lock
    with launch(dataset, RunOptions(**settings), identity, releases_lock=lock) as session:
        return iterate(job, solver, dataset, session)


@contextmanager
def launch(
    dataset: Dataset,
    options: RunOptions,
    identity: Mapping[str, Any],
    *,
    releases_lock: bool,
    recipe: Mapping[str, Any] | None = None,
) -> Iterator[Session]:
    """Open a session whose ledger is the run's directory, if there is to be one.

    Parameters
    ----------
    dataset : Dataset
    options : RunOptions
    identity : mapping
        JSON values that must agree for a run to be resumed; versions are added.
    releases_lock : bool
        Whether threads serve as well as processes.
    recipe : mapping, optional
        JSON values from which `mr resume` makes the same call again.
    """
    ledger = None
    if options.run is not None:
        plan = {
            "format": 1,
            "identity": {**identity, "bad blocks": options.on_bad_block, **versions()},
            "recipe": recipe,
            "call": options.call,
        }
        ledger = RunDirectory.open(options.run, plan, options.checkpoint_interval)
    try:
        with Session.open(dataset, options, releases_lock=releases_lock, ledger=ledger) as session:
            yield session
    finally:
        if ledger is not None:
            ledger.close()


def described(thing: Any) -> dict[str, Any]:
    """Return the class of a job or solver, its code, and its plain attributes.

    Arrays and code are told by their digests; code that cannot be found, as of a class
    that was typed in, by nothing.
    """

    def shown(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            body = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"{value.dtype.str} {value.shape} {body[:16]}"
        plain = value is None or isinstance(value, bool | int | float | str)
        return value if plain else type(value).__qualname__

    held = {name: shown(value) for name, value in sorted(getattr(thing, "__dict__", {}).items())}
    return {"class": type(thing).__qualname__, "code": _code(type(thing)), **held}


def _code(kind: type) -> str:
    try:
        return hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


def versions() -> dict[str, str]:
    """Return what may change bits: the versions of what computes."""
    found = {name: version(name) for name in ("numpy", "scipy", "numba")}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"gradfold": mr.__version__, "python": python, **found, "machine": platform.machine()}
