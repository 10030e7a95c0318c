"""What engines in this process share: readers kept over rounds, and an attempt run to its end."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from mr.config import Config
from mr.engine import Program, Work
from mr.errors import GradfoldError
from mr.events import AttemptFailed, AttemptFinished
from mr.storage.reader import Reader
from mr.task import execute


class Readers:
    """One `Reader` a program, so that what a block is laid out to is kept over rounds."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._readers: WeakKeyDictionary[Program, Reader] = WeakKeyDictionary()

    def of(self, program: Program) -> Reader:
        """Return the reader of a program's dataset."""
        if program not in self._readers:
            self._readers[program] = Reader(program.dataset, self._config.cache())
        return self._readers[program]


def run(
    work: Work, readers: Readers, strike: Callable[[], None] | None
) -> AttemptFinished | AttemptFailed:
    """Run an attempt here and return how it ended."""
    program = work.round.program
    try:
        reader, point = readers.of(program), work.round.point
        payload = execute(program.job, reader, point, work.attempt, strike=strike, skip=work.skip)
    except GradfoldError as error:
        return AttemptFailed(work.attempt, work.worker, error)
    return AttemptFinished(work.attempt, work.worker, payload)
