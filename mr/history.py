"""What a run's directory tells of its past: its events, and what became of an attempt.

Events are read as the JSON that they were written as: what an event holds may grow from one
version to the next, and old runs are still to be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mr.errors import Place, UsageError
from mr.storage import directory
from mr.storage.patience import patiently
from mr.task import Attempt

Line = dict[str, Any]
_SHOWN = 10


def events(url: str) -> Iterator[Line]:
    """Yield the events of a run, of all its drivers, in the order in which they were written."""
    for uri in _segments(url):
        yield from _lines(uri)


def last_pass(url: str) -> int:
    """Return the number of the last pass that the events speak of, or 0."""
    for uri in reversed(_segments(url)):
        numbers = [line["number"] for line in _lines(uri) if line["event"] == "PassStarted"]
        if numbers:
            return int(max(numbers))
    return 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a run's events say of one attempt.

    Parameters
    ----------
    attempt : Attempt
    purpose : str
        Of its pass.
    point_bytes : int
        Of the point of its pass.
    worker : str
    skip : frozenset of int
        Blocks that the run had left out when it began.
    outcome : str
        How it ended, for people.
    checksum : str, optional
        Of what it returned, if that was anything.
    finished : bool
        Whether it returned.
    """

    attempt: Attempt
    purpose: str
    point_bytes: int
    worker: str
    skip: frozenset[int]
    outcome: str = "it never ended: stopped, or lost with its worker or driver"
    checksum: str | None = None
    finished: bool = False


def told(url: str, attempt: Attempt) -> Told:
    """Return what the events of a run say of an attempt.

    Raises
    ------
    UsageError
        If they do not speak of it; the attempts that failed are named.
    """
    passes: dict[int, Line] = {}
    skipped: set[int] = set()
    failed: list[str] = []
    found: dict[str, Any] = {}
    for line in events(url):
        match line:
            case {"event": "PassStarted", "number": number}:
                passes[number] = line
            case {"event": "BlockSkipped", "block": block} if not found:
                skipped.add(block)
            case {"event": "AttemptStarted", "attempt": name, "worker": worker} if name == str(
                attempt
            ):
                found = {"worker": worker, "skip": _within(skipped, attempt)}
            case {"event": "AttemptFinished" | "AttemptFailed", "attempt": name}:
                failed += [name] if "error" in line else []
                found |= _ending(line) if name == str(attempt) else {}
    begun = passes.get(attempt.task.pass_number)
    if begun is None or "worker" not in found:
        raise _unknown(url, attempt, failed)
    return Told(attempt, begun["purpose"], begun.get("point_bytes", 0), **found)


def _within(skipped: set[int], attempt: Attempt) -> frozenset[int]:
    return frozenset(skipped & set(range(attempt.task.low, attempt.task.high)))


def _ending(line: Line) -> Line:
    if "error" in line:
        return {"outcome": f"failed: {line['error']}"}
    return {"outcome": "returned", "checksum": line.get("checksum"), "finished": True}


def _unknown(url: str, attempt: Attempt, failed: list[str]) -> UsageError:
    listed = ", ".join(failed[-_SHOWN:]) or "none"
    return UsageError(
        f"The run's events do not speak of {attempt}",
        place=Place(file=url),
        remedy=f"attempts that failed: {listed}; events-*.jsonl there have all",
    )


def _segments(url: str) -> list[str]:
    names = patiently(lambda: directory.names_in(url))
    return [f"{url}/{name}" for name in sorted(names) if name.startswith("events-")]


def _lines(uri: str) -> Iterator[Line]:
    """Yield the events of a segment; a line that was damaged is passed over."""
    for text in patiently(lambda: directory.read_bytes(uri)).splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "event" in line:
            yield line
