"""From a call to a run: the options as keywords, a session opened, a ledger begun or resumed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypedDict, TypeVar, Unpack

from mr.identity import described, processor, versions
from mr.iterate import Outcome, iterate
from mr.job import FoldJob
from mr.ledger import RunDirectory
from mr.session import RunOptions, Session
from mr.solver import Solver
from mr.statistic import Statistic
from mr.storage.dataset import Dataset

log = logging.getLogger(__name__)

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
            "processor": processor(),
            "recipe": recipe,
            "call": options.call,
        }
        ledger = RunDirectory.open(options.run, plan, options.checkpoint_interval)
        _name_mixed(ledger.plan.get("processor"), options.run)
    try:
        with Session.open(dataset, options, releases_lock=releases_lock, ledger=ledger) as session:
            yield session
    finally:
        if ledger is not None:
            ledger.close()


def _name_mixed(began: str | None, run: str) -> None:
    """Say that a run goes on on another class of processor than it began on."""
    here = processor()
    if began is not None and began != here:
        log.warning(
            "The run %s began on a processor of class %r and goes on on %r: with the solver "
            "lbfgs the model is the same, with newton its last bits may differ",
            run,
            began,
            here,
        )
