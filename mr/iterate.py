"""Rounds: ask the solver, make a pass, tell the solver, checkpoint, until it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from mr.codec import decode_state, encode_state
from mr.events import CheckpointWritten, RoundFinished, RunFinished, RunStarted
from mr.job import FoldJob
from mr.session import Session
from mr.solver import Solver, Status
from mr.storage.dataset import Dataset

S = TypeVar("S")


@dataclass(frozen=True)
class Outcome(Generic[S]):
    """How an iterative job ended.

    Parameters
    ----------
    state : S
        The solver's last state.
    status : Status
        Why it stopped.
    passes : int
        Reads of the data, those before a resumption included.
    report : mapping
        The solver's last figures, such as ``loss`` and ``gradient``.
    """

    state: S
    status: Status
    passes: int
    report: Mapping[str, float]


def iterate(job: FoldJob, solver: Solver[S], dataset: Dataset, session: Session) -> Outcome[S]:
    """Run a job's passes until its solver is done.

    A checkpoint found in the session's ledger is gone on from: since a pass
    depends on the solver's state alone, the outcome is the same.

    Parameters
    ----------
    job : FoldJob
    solver : Solver
    dataset : Dataset
    session : Session
    """
    state, passes = _begin(solver, session)
    session.emit(RunStarted(type(job).__name__, session.engine, len(dataset.blocks), passes))
    while not solver.status(state).done:
        point = solver.ask(state)
        total = session.run_pass(job, dataset, point, "fit")
        state = solver.tell(state, job.evaluate(total, point))
        passes += 1
        session.emit(RoundFinished(passes, dict(solver.report(state))))
        if session.ledger.checkpoint(passes, *encode_state(state)):
            session.emit(CheckpointWritten(passes))
    status = solver.status(state)
    session.emit(RunFinished(status.value, passes))
    return Outcome(state, status, passes, solver.report(state))


def _begin(solver: Solver[S], session: Session) -> tuple[S, int]:
    found = session.ledger.newest()
    if found is None:
        return solver.init(), 0
    passes, (meta, arrays) = found
    return decode_state(solver.state_type, meta, arrays), passes
