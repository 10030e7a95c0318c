"""A run's directory, on any storage: plan, events, checkpoints. Nothing else is a source of truth.

::

    plan.json                 what is run: job, parameters, dataset, versions; written first, once
    schema.gfc                the survey of the data
    point-000009.gfc          where a pass was made in which an attempt failed; the newest are kept
    point-last.gfc            where the last pass was made
    checkpoint-000012.gfc     the solver's state after 12 passes; the newest two are kept
    events-000003.jsonl       numbered, immutable segments, since object stores cannot append
    driver-000003.json        who drives it, and driver.lock; see `mr.fencing`

The plan and the claim of its driver must be written before a run begins. A checkpoint or a
segment that cannot be is given up with a warning: losing one must not lose the run.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mr import history
from mr.errors import CorruptFile, Fenced, NotFound, StorageError
from mr.events import Event, to_json
from mr.fencing import Fence
from mr.plan import begun, hold_to
from mr.points import KEPT_POINTS, Points
from mr.solver import Point
from mr.storage import atomic, directory
from mr.storage.capabilities import capabilities
from mr.storage.container import Array, pack, unpack
from mr.storage.exclusive import create_exclusively
from mr.storage.patience import patiently

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

    def begun(self) -> int:
        """Return the number of the last pass that an earlier driver of the run began, or 0."""

    def hold(self, number: int, point: Point) -> None:
        """Have the point of a pass at hand, should one of its attempts be repeated."""

    def flush(self) -> None:
        """Write down what was recorded."""


class MemoryLedger:
    """Forgets everything with the process: for runs that nobody resumes."""

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

    def begun(self) -> int:
        """Return 0."""
        return 0

    def hold(self, number: int, point: Point) -> None:
        """Hold nothing."""
        del number, point

    def flush(self) -> None:
        """Do nothing."""


class RunDirectory:
    """The ledger of a run that can be resumed.

    ``plan`` is the one that the run was begun by, once it is open.

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
        self.plan: Mapping[str, Any] = {}
        self._interval = interval
        self._clock = clock
        self._written = clock()
        self._lines: list[str] = []
        self._points = Points()
        self._fence: Fence | None = None
        self._segments = self._counted()

    @classmethod
    def open(cls, url: str, plan: Mapping[str, Any], interval: float = 1.0) -> RunDirectory:
        """Begin a run, or go on with one of the same plan, as its one driver until `close`.

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
        Fenced
            If the run has a driver that can be seen to live.
        StorageError
            If plan or claim cannot be written.
        """
        ledger = cls(url, interval)
        ledger.plan = patiently(lambda: begun(ledger.url, plan))
        hold_to(ledger.plan, plan, url)
        ledger._fence = Fence.take(ledger.url)
        ledger._segments = ledger._counted()  # what the driver before wrote last is there now
        return ledger

    def close(self) -> None:
        """Let another driver have the run."""
        self._keep_last_point()
        if self._fence is not None:
            self._fence.release()

    def record(self, event: Event) -> None:
        """Take down an event; it is written with the next checkpoint, or at the end."""
        self._points.note(event)
        self._lines.append(json.dumps({"time": time.time(), **to_json(event)}))

    def save(self, name: str, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write arrays under a name, whole or not at all.

        Raises
        ------
        Fenced
            If another driver took over.
        StorageError
            If they cannot be written.
        """
        body = pack(meta, arrays)

        def write() -> None:
            self._check()
            atomic.write_bytes(f"{self.url}/{name}.gfc", body)

        patiently(write)

    def load(self, name: str) -> Saved | None:
        """Return what was saved under a name; a damaged file is reported and passed over."""
        uri = f"{self.url}/{name}.gfc"
        try:
            return unpack(patiently(lambda: directory.read_bytes(uri)), source=uri)
        except NotFound:
            return None
        except CorruptFile as error:
            log.warning("passed over: %s", error)
            return None

    def checkpoint(self, passes: int, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bool:
        """Write the state if the interval is over, and drop all but the newest two.

        Raises
        ------
        Fenced
            If another driver took over.
        """
        now = self._clock()
        if now - self._written < self._interval:
            return False
        self._written = now  # also where it fails: the next try is an interval away
        try:
            self.save(f"checkpoint-{passes:06d}", meta, arrays)
        except StorageError as error:
            log.warning("the run goes on without a checkpoint after pass %d: %s", passes, error)
            return False
        self.flush()
        self._prune()
        return True

    def newest(self) -> tuple[int, Saved] | None:
        """Return the newest checkpoint that is whole, and the passes before it."""
        for name in reversed(self._names("checkpoint-")):
            stem = name.removesuffix(".gfc")
            saved = self.load(stem)
            if saved is not None:
                return int(stem.removeprefix("checkpoint-")), saved
        return None

    def begun(self) -> int:
        """Return the number of the last pass that is spoken of."""
        points = [stem for stem in self._stems("point-") if stem.isdigit()]
        return max(history.last_pass(self.url), *map(int, points), 0)

    def hold(self, number: int, point: Point) -> None:
        """Have the point of a pass at hand: with a failure of the pass it is written."""
        self._points.hold(number, point)

    def flush(self) -> None:
        """Write what was recorded as the next segment; what cannot be written waits for the next.

        Raises
        ------
        Fenced
            If another driver took over.
        """
        if not self._lines:
            return
        self._write_points()
        body = "".join(line + "\n" for line in self._lines).encode()
        try:
            patiently(lambda: self._write_segment(body))
        except StorageError as error:
            log.warning("the run goes on, its events are not written yet: %s", error)
            return
        self._lines.clear()

    def _write_points(self) -> None:
        due = self._points.due()
        try:
            for number, point in due.items():
                self.save(f"point-{number:06d}", {}, point)
            kept = sorted(stem for stem in self._stems("point-") if stem.isdigit()) if due else []
            for stem in kept[:-KEPT_POINTS]:
                directory.remove(f"{self.url}/point-{stem}.gfc")
        except StorageError as error:
            log.warning("attempts of some passes cannot be repeated by mr replay: %s", error)

    def _keep_last_point(self) -> None:
        if not self._points.point:
            return
        try:
            self.save("point-last", {"pass": self._points.number}, self._points.point)
        except (StorageError, Fenced) as error:
            log.warning("the last pass cannot be repeated by mr replay: %s", error)

    def _write_segment(self, body: bytes) -> None:
        self._check()
        exclusive = capabilities(self.url).exclusive_create
        while True:
            number = self._segments + 1
            uri = f"{self.url}/events-{number:06d}.jsonl"
            if not exclusive:
                atomic.write_bytes(uri, body)
            elif not create_exclusively(uri, body):
                # Another driver's: either it has the run now, or it had it, was stopped in
                # the middle of this, and wrote once when it woke.
                self._check()
                self._segments = number
                continue
            self._segments = number
            return

    def _check(self) -> None:
        if self._fence is not None:
            self._fence.check()

    def _prune(self) -> None:
        try:
            for name in self._names("checkpoint-")[:-KEPT]:
                directory.remove(f"{self.url}/{name}")
        except StorageError as error:
            log.warning("old checkpoints could not be removed: %s", error)

    def _counted(self) -> int:
        return _number(self._names("events-")[-1:])

    def _stems(self, prefix: str) -> list[str]:
        return [name.removeprefix(prefix).removesuffix(".gfc") for name in self._names(prefix)]

    def _names(self, prefix: str) -> list[str]:
        names = patiently(lambda: directory.names_in(self.url))
        return [name for name in names if name.startswith(prefix)]


def _number(names: list[str]) -> int:
    """Return the number in the last of some names such as ``events-000003.jsonl``, or 0."""
    return int(names[-1].partition("-")[2].partition(".")[0]) if names else 0
