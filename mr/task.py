"""`Task`, `Attempt`, and `execute`: the work of one attempt, the same in every engine."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from mr.errors import GradfoldError, InjectedFault, MapFailed, Place, UsageError
from mr.job import FoldJob
from mr.reduce import Node, fold
from mr.solver import Point
from mr.statistic import Statistic, as_statistic
from mr.storage.reader import Reader
from mr.tracebacks import own_traceback, summary

_IDENTITY = re.compile(r"p(\d+)\.b(\d+)-(\d+)\.a(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """One node of the canonical tree in one pass.

    Parameters
    ----------
    pass_number : int
        Which read of the data it belongs to, counted over the run.
    low, high : int
        Range of block indexes.
    """

    pass_number: int
    low: int
    high: int

    @property
    def node(self) -> Node:
        """The node of the canonical tree."""
        return self.low, self.high

    def __str__(self) -> str:
        """Return an identity such as ``p3.b8-16``."""
        return f"p{self.pass_number}.b{self.low}-{self.high}"


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One try at a task.

    Parameters
    ----------
    task : Task
    number : int
        From 0; never given twice.
    """

    task: Task
    number: int

    def __str__(self) -> str:
        """Return an identity such as ``p3.b8-16.a0``."""
        return f"{self.task}.a{self.number}"

    @classmethod
    def parse(cls, text: str) -> Attempt:
        """Read an identity such as ``p3.b8-16.a0``.

        Raises
        ------
        UsageError
            If it is none.
        """
        found = _IDENTITY.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{text!r} does not name an attempt",
                remedy="write it as messages and the run's events have it: p3.b8-16.a0",
            )
        number, low, high, attempt = map(int, found.groups())
        return cls(Task(number, low, high), attempt)


class Fault(Enum):
    """What the fault wrapper does to an attempt, in the middle of it."""

    RAISE = "raise"
    HANG = "hang"
    KILL = "kill"


def execute(
    job: FoldJob,
    reader: Reader,
    point: Point,
    attempt: Attempt,
    *,
    strike: Callable[[], None] | None = None,
    skip: frozenset[int] = frozenset(),
) -> bytes | None:
    """Map the blocks of an attempt's task, merge them along the canonical tree, encode.

    Parameters
    ----------
    job : FoldJob
    reader : Reader
        Opens the dataset's blocks.
    point : mapping of str to ndarray
    attempt : Attempt
    strike : callable, optional
        A fault, suffered once the last block is mapped and nothing is returned yet.
    skip : frozenset of int
        Blocks to leave out: they have no term.

    Returns
    -------
    bytes or None
        The encoded statistic, or None where no block has a term.

    Raises
    ------
    GradfoldError
        As storage and kernels raise them, with block and attempt filled in.
    MapFailed
        If the job's own code raised.
    """

    def leaf(index: int) -> Statistic | None:
        value = None if index in skip else map_block(job, reader, index, point, attempt)
        if strike and index == attempt.task.high - 1:
            strike()
        return value

    total = fold(attempt.task.node, leaf, merge)
    return None if total is None else _encode(total)


def merge(left: Statistic, right: Statistic) -> Statistic:
    """Merge two statistics; what a merge of the user's own raises becomes `MapFailed`."""
    try:
        return left.merge(right)
    except GradfoldError:
        raise
    except Exception as error:
        raise MapFailed(f"merge raised {summary(error)}", own_traceback(error)) from error


def _encode(total: Statistic) -> bytes:
    try:
        return total.encode()
    except Exception as error:
        raise MapFailed(f"encode raised {summary(error)}", own_traceback(error)) from error


def map_block(
    job: FoldJob, reader: Reader, index: int, point: Point, attempt: Attempt | None = None
) -> Statistic | None:
    """Map one block; whatever goes wrong says which block it was."""
    block = reader.open(index)
    place = Place(block=block.index, attempt=None if attempt is None else str(attempt))
    try:
        with _children_ended():
            value = job.map(block, point)
        return as_statistic(value)
    except GradfoldError as error:
        raise error.at(block=block.index, attempt=place.attempt) from None
    except (Exception, SystemExit) as error:
        what = f"map raised {summary(error)}"
        raise MapFailed(what, own_traceback(error), place) from error


@contextmanager
def _children_ended() -> Iterator[None]:
    """End a child process that user code forked inside, where it comes out as a second one of us.

    It would go on with the run, answer for this process, and fork again in the next block.
    """
    owner, status = os.getpid(), 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == owner:
            raise
        status = 1
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        else:
            traceback.print_exception(error)
    if os.getpid() != owner:
        os._exit(status)


def injected(attempt: Attempt) -> InjectedFault:
    """Return the error that the fault ``RAISE`` raises."""
    return InjectedFault(
        "An injected fault was raised",
        place=Place(attempt=str(attempt)),
        cause="faults were asked for",
        remedy="none is needed: the last permitted attempt is never struck",
    )
