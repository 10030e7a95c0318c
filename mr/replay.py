"""Repeats one attempt of a run in this process: same blocks, same point, same job.

The job of an estimator's pass is made by the estimator itself, on its way through ``fit``. So
its call is made again, up to the pass that is wanted: what comes before it (the layout of
blocks) is done again or found in the cache, the survey is taken from the run's directory.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from threadpoolctl import threadpool_limits

from mr.config import Config
from mr.engine import Program, Round
from mr.errors import GradfoldError, LedgerMismatch, Place, UsageError
from mr.events import checksum
from mr.history import Told
from mr.identity import versions
from mr.ledger import RunDirectory
from mr.registry import ESTIMATORS
from mr.solver import Point
from mr.statistic import Array
from mr.storage import directory
from mr.storage.dataset import Dataset
from mr.storage.reader import Reader
from mr.survey import SurveyJob, survey_key
from mr.task import execute


@dataclass(frozen=True)
class Replayed:
    """What came of an attempt when it was repeated.

    Parameters
    ----------
    seconds : float
    payload : bytes, optional
        What it returned: an encoded statistic, or None where no block had a term.
    arrays : mapping of str to ndarray
        The statistic's.
    error : GradfoldError, optional
        What it raised instead.
    """

    seconds: float
    payload: bytes | None = None
    arrays: Mapping[str, Array] | None = None
    error: GradfoldError | None = None

    @property
    def digest(self) -> str | None:
        """Digest of the encoded statistic."""
        return None if self.payload is None else hashlib.sha256(self.payload).hexdigest()

    def agrees(self, told: Told) -> bool | None:
        """Return whether the bits are those of the run, or None where either has none."""
        if not told.finished or self.error is not None:
            return None
        return told.checksum == (None if self.payload is None else checksum(self.payload))

    def traceback(self) -> TracebackType | None:
        """Return the traceback of what was raised first: the user's own error, if it was that."""
        error: BaseException | None = self.error
        while error is not None and error.__cause__ is not None:
            error = error.__cause__
        return None if error is None else error.__traceback__


def repeat(round_: Round, told: Told) -> Replayed:
    """Repeat an attempt here and now.

    Parameters
    ----------
    round_ : Round
        The job, the dataset, and the point of its pass.
    told : Told
    """
    program = round_.program
    program.job.prepare()
    reader = Reader(program.dataset, Config.from_environment().cache())
    with threadpool_limits(1):  # as in every run
        began = time.perf_counter()
        try:
            payload = execute(program.job, reader, round_.point, told.attempt, skip=told.skip)
        except GradfoldError as error:
            return Replayed(time.perf_counter() - began, error=error)
        seconds = time.perf_counter() - began
    arrays = {} if payload is None else program.job.statistic.decode(payload).arrays()
    return Replayed(seconds, payload, arrays)


def point_of(url: str, told: Told) -> Point:
    """Return the point at which an attempt's pass was made.

    Raises
    ------
    UsageError
        If the run's directory does not hold it any more; the passes are named that it holds.
    """
    if not told.point_bytes:
        return {}
    ledger, number = RunDirectory(url), told.attempt.task.pass_number
    kept = ledger.load(f"point-{number:06d}")
    if kept is None:
        kept = ledger.load("point-last")
        if kept is None or kept[0].get("pass") != number:
            raise _not_kept(url, number, kept)
    return kept[1]


def fitted(url: str, plan: Mapping[str, Any], dataset: Dataset, told: Told) -> Program:
    """Return the job and dataset of a pass of an estimator's run.

    Parameters
    ----------
    url : str
    plan : mapping
        The run's; with a recipe.
    dataset : Dataset
        As the recipe describes it.
    told : Told
        Of an attempt of the pass. Passes of one purpose are of one job.

    Raises
    ------
    UsageError
        If the estimator makes no such pass.
    """
    if told.purpose == "survey":
        return Program(SurveyJob(), dataset.whole())
    _seed_survey(url, dataset)

    def stop(purpose: str, round_: Round) -> None:
        if purpose == told.purpose:
            raise _Reached(round_.program)

    recipe = plan["recipe"]
    estimator = ESTIMATORS.load(recipe["estimator"])(**recipe["parameters"])
    try:
        estimator.fit(dataset, on_bad_block=plan["identity"]["bad blocks"], observer=stop)
    except _Reached as reached:
        return reached.program
    raise UsageError(f"{recipe['estimator']} makes no pass {told.purpose!r}", place=Place(url))


def hold_to(plan: Mapping[str, Any], dataset: Dataset, url: str) -> dict[str, str]:
    """Refuse data that changed since the run; return which versions differ.

    Returns
    -------
    dict of str to str
        Name to ``then, now``: what may change bits though the data is the same.

    Raises
    ------
    LedgerMismatch
        If files, bounds of blocks or the selection are others now.
    """
    identity = plan["identity"]
    if dataset.digest() != identity["dataset"]:
        raise LedgerMismatch(
            "The data is not what the run read",
            place=Place(url),
            cause="files were written to, or touched, since",
            remedy="bring the files back as they were, times of modification included",
        )
    now = versions()
    return {
        name: f"{identity.get(name)}, now {now[name]}"
        for name in now
        if identity.get(name) != now[name]
    }


class _Reached(BaseException):
    """The pass that is wanted is about to be made."""

    def __init__(self, program: Program) -> None:
        self.program = program


def _seed_survey(url: str, dataset: Dataset) -> None:
    """Put the survey that the run made where `Session.survey` looks for it."""
    held = RunDirectory(url).load("schema")
    if held is not None:
        Config.from_environment().cache().put(survey_key(dataset), {}, held[1])


def _not_kept(url: str, number: int, last: Any) -> UsageError:
    names = [name for name in directory.names_in(url) if name.startswith("point-0")]
    kept = [int(name.removeprefix("point-").removesuffix(".gfc")) for name in names]
    kept += [last[0]["pass"]] if last else []
    return UsageError(
        f"The point of pass {number} was not kept",
        place=Place(url),
        cause="points are kept of passes in which an attempt failed, the newest, and of the last",
        remedy=f"repeat an attempt of one of the passes {sorted(set(kept))}, or of a pass that "
        "has no point",
    )
