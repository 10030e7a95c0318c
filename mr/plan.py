"""The plan of a run: what is run, on what, by which versions. Written first, once, and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mr.errors import CorruptFile, LedgerMismatch, NotFound, Place, UsageError
from mr.storage import atomic, directory
from mr.storage.capabilities import capabilities
from mr.storage.exclusive import create_exclusively


def read_plan(url: str) -> dict[str, Any]:
    """Return the plan of a run.

    Raises
    ------
    NotFound
        If there is no run.
    UsageError
        If what is there is not a plan.
    CorruptFile
        If it is a plan that was changed after it was written.
    """
    uri = f"{url.rstrip('/')}/plan.json"
    try:
        plan: dict[str, Any] = json.loads(directory.read_bytes(uri))
    except ValueError as error:
        raise UsageError(f"The plan of a run cannot be read: {error}", place=Place(uri)) from None
    if not isinstance(plan, dict):
        raise UsageError("The plan of a run holds something else", place=Place(uri))
    if plan.pop("sha256", None) != _digest(plan):
        raise CorruptFile(
            "The plan of a run is not the one that was written",
            place=Place(uri),
            cause="the disk, an editor, or another program wrote to it",
            remedy="fetch it from a good copy, or begin the run anew in another directory",
        )
    return plan


def _digest(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def begun(url: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan of the run in a directory; ours, written, where there was none."""
    try:
        return read_plan(url)
    except NotFound:
        pass
    plain = json.loads(json.dumps(plan, default=str))
    body = json.dumps({**plain, "sha256": _digest(plain)}, indent=2, sort_keys=True).encode()
    uri = f"{url}/plan.json"
    if not capabilities(url).exclusive_create:
        atomic.write_bytes(uri, body)
    else:
        create_exclusively(uri, body)  # of two that begin at once, both go by the one's plan
    return read_plan(url)


def hold_to(held: Mapping[str, Any], wanted: Mapping[str, Any], url: str) -> None:
    """Refuse to go on with a run whose identity is another.

    Raises
    ------
    LedgerMismatch
        With the name of what differs, there and here.
    """
    old = held.get("identity", {})
    new = json.loads(json.dumps(wanted["identity"], default=str))  # as it is read back
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise LedgerMismatch(
                f"The run's directory belongs to another run: its {key} differs",
                place=Place(file=url),
                cause=f"there it is {old.get(key)!r}, here {new.get(key)!r}",
                remedy="give this run a directory of its own, or repeat the call that began it",
            )
