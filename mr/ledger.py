"""A run's directory, on any storage: plan, events, checkpoints. Nothing else is a source of truth.

::

    plan.json                 what is run: job, parameters, dataset, versions; written first, once
    schema.gfc                the survey of the data
    checkpoint-000012.gfc     the solver's state after 12 passes; the newest two are kept
    events-000003.jsonl       numbered, immutable segments, since object stores cannot append
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mr.errors import CorruptFile, LedgerMismatch, NotFound, Place, UsageError
from mr.events import Event, to_json
from mr.storage import atomic, directory
from mr.storage.container import Array, pack, unpack

log = logging.getLogger(__name__)

Saved = tuple[dict[str, Any], dict[str, Array]]
KEPT = 2


class Ledger(Protocol):
    """Where a run writes down what it must not forget."""

    def record(self, event: Event) -> None:
        """Take down an event."""

    def save(self, name: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Keep arrays under a name, safe when this returns."""

    def load(self, name: str) -> Saved | None:
        """Return what was kept under a name, or None."""

    def checkpoint(self, passes: int, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bool:
        """Keep the state after a pass if it is time to; return whether it was."""

    def newest(self) -> tuple[int, Saved] | None:
        """Return the newest checkpoint that is whole, and the passes before it."""

    def flush(self) -> None:
        """Write down what was recorded."""


class MemoryLedger:
    """Forgets everything with the process: for runs that nobody resumes."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        """Forget it."""

    def save(self, name: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Forget it."""

    def load(self, name: str) -> Saved | None:
        """Return nothing."""
        del name
        return None

    def checkpoint(self, passes: int, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bool:
        """Keep nothing."""
        del passes, meta, arrays
        return False

    def newest(self) -> tuple[int, Saved] | None:
        """Return nothing."""
        return None

    def flush(self) -> None:
        """Do nothing."""


class RunDirectory:
    """The ledger of a run that can be resumed.

    Parameters
    ----------
    url : str
        A directory on any storage.
    interval : float
        Seconds between checkpoints; 0 writes one after every pass.
    clock : callable
        Seconds, from any origin.
    """

    def __init__(
        self, url: str, interval: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url = url.rstrip("/")
        self._interval = interval
        self._clock = clock
        self._written = clock()
        self._lines: list[str] = []
        self._segments = _number(self._names("events-")[-1:])

    @classmethod
    def open(cls, url: str, plan: Mapping[str, Any], interval: float = 1.0) -> RunDirectory:
        """Begin a run, or go on with one of the same plan.

        Parameters
        ----------
        url : str
        plan : mapping
            JSON values. Under ``identity``: what must agree for a run to be resumed.
        interval : float

        Raises
        ------
        LedgerMismatch
            If the directory holds a run of another plan; names what differs.
        """
        ledger = cls(url, interval)
        try:
            held = read_plan(url)
        except NotFound:
            body = json.dumps(plan, indent=2, sort_keys=True, default=str)
            atomic.write_bytes(f"{ledger.url}/plan.json", body.encode())
            return ledger
        _hold_to(held, json.loads(json.dumps(plan, default=str)), url)
        return ledger

    def record(self, event: Event) -> None:
        """Take down an event; it is written with the next checkpoint, or at the end."""
        self._lines.append(json.dumps({"time": time.time(), **to_json(event)}))

    def save(self, name: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write arrays under a name, whole or not at all."""
        atomic.write_bytes(f"{self.url}/{name}.gfc", pack(meta, arrays))

    def load(self, name: str) -> Saved | None:
        """Return what was saved under a name; a damaged file is reported and passed over."""
        uri = f"{self.url}/{name}.gfc"
        try:
            return unpack(directory.read_bytes(uri), source=uri)
        except NotFound:
            return None
        except CorruptFile as error:
            log.warning("passed over: %s", error)
            return None

    def checkpoint(self, passes: int, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bool:
        """Write the state if the interval is over, and drop all but the newest two."""
        now = self._clock()
        if now - self._written < self._interval:
            return False
        self.save(f"checkpoint-{passes:06d}", meta, arrays)
        self._written = now
        self.flush()
        for name in self._names("checkpoint-")[:-KEPT]:
            directory.remove(f"{self.url}/{name}")
        return True

    def newest(self) -> tuple[int, Saved] | None:
        """Return the newest checkpoint that is whole, and the passes before it."""
        for name in reversed(self._names("checkpoint-")):
            stem = name.removesuffix(".gfc")
            saved = self.load(stem)
            if saved is not None:
                return int(stem.removeprefix("checkpoint-")), saved
        return None

    def flush(self) -> None:
        """Write what was recorded as the next segment."""
        if not self._lines:
            return
        self._segments += 1
        body = "".join(line + "\n" for line in self._lines)
        atomic.write_bytes(f"{self.url}/events-{self._segments:06d}.jsonl", body.encode())
        self._lines.clear()

    def _names(self, prefix: str) -> list[str]:
        return sorted(name for name in directory.names_in(self.url) if name.startswith(prefix))


def read_plan(url: str) -> dict[str, Any]:
    """Return the plan of a run.

    Raises
    ------
    NotFound
        If there is no run.
    UsageError
        If what is there is not a plan.
    """
    uri = f"{url.rstrip('/')}/plan.json"
    try:
        plan: dict[str, Any] = json.loads(directory.read_bytes(uri))
    except ValueError as error:
        raise UsageError(f"The plan of a run cannot be read: {error}", place=Place(uri)) from None
    if not isinstance(plan, dict):
        raise UsageError("The plan of a run holds something else", place=Place(uri))
    return plan


def _number(names: list[str]) -> int:
    """Return the number in the last of some names such as ``events-000003.jsonl``, or 0."""
    return int(names[-1].partition("-")[2].partition(".")[0]) if names else 0


def _hold_to(held: Mapping[str, Any], wanted: Mapping[str, Any], url: str) -> None:
    old, new = held.get("identity", {}), wanted["identity"]
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise LedgerMismatch(
                f"The run's directory belongs to another run: its {key} differs",
                place=Place(file=url),
                cause=f"there it is {old.get(key)!r}, here {new.get(key)!r}",
                remedy="give this run a directory of its own, or repeat the call that began it",
            )
