"""`FaultyEngine`: any engine, with seeded faults.

Which fault strikes is a function of the seed, the task and the attempt's
number, so a run with faults can be repeated; the last permitted attempt is
never struck, so a run within the retry budget always ends well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mr.engine import Engine, Work
from mr.errors import UsageError
from mr.events import EngineEvent
from mr.task import Attempt, Fault


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which attempts suffer what.

    Parameters
    ----------
    seed : int
    rate : float
        Share of attempts that are struck, between 0 and 1.
    attempts : int
        Attempts that a task may have; the last is spared.
    kinds : tuple of Fault
        What may strike.
    """

    seed: int
    rate: float = 0.1
    attempts: int = 4
    kinds: tuple[Fault, ...] = tuple(Fault)

    @classmethod
    def parse(cls, text: str) -> FaultPlan:
        """Read ``SEED[:RATE[:KINDS]]``, kinds separated by commas.

        Raises
        ------
        UsageError
            If it is something else.
        """
        seed, _, rest = text.partition(":")
        rate, _, kinds = rest.partition(":")
        try:
            struck = tuple(Fault(kind) for kind in kinds.split(",")) if kinds else tuple(Fault)
            plan = cls(int(seed), float(rate or 0.1), kinds=struck)
        except ValueError:
            raise UsageError(
                f"{text!r} is not SEED[:RATE[:KINDS]]",
                remedy="write 7, 7:0.2 or 7:0.2:raise,kill; there is also hang",
            ) from None
        if not 0 <= plan.rate <= 1:
            raise UsageError(f"A fault rate of {plan.rate} is not between 0 and 1")
        return plan

    def fault(self, attempt: Attempt) -> Fault | None:
        """Return what an attempt suffers, if anything."""
        if attempt.number >= self.attempts - 1:
            return None
        digest = hashlib.sha256(f"{self.seed}/{attempt}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        if drawn >= self.rate:
            return None
        return self.kinds[digest[8] % len(self.kinds)]


class FaultyEngine:
    """Passes everything on, and some attempts with a fault.

    Parameters
    ----------
    engine : Engine
    plan : FaultPlan
    """

    def __init__(self, engine: Engine, plan: FaultPlan) -> None:
        self._engine = engine
        self._plan = plan
        self.name = engine.name
        self.slots = engine.slots
        self.vital = engine.vital

    def clock(self) -> float:
        """Return the engine's time."""
        return self._engine.clock()

    def submit(self, work: Work) -> None:
        """Submit an attempt with the fault that the plan has for it."""
        self._engine.submit(replace(work, fault=self._plan.fault(work.attempt)))

    def events(self, timeout: float | None) -> Sequence[EngineEvent]:
        """Return the engine's events."""
        return self._engine.events(timeout)

    def cancel(self, attempt: Attempt) -> None:
        """Cancel an attempt."""
        self._engine.cancel(attempt)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def with_faults(engine: Engine, text: str, attempts: int) -> FaultyEngine:
    """Wrap an engine by a plan written ``SEED[:RATE[:KINDS]]``, for tasks of so many attempts."""
    return FaultyEngine(engine, replace(FaultPlan.parse(text), attempts=attempts))
