"""`Points`: which passes' points a run's directory keeps, so that attempts can be repeated.

A point is where a pass was made, and what an attempt depends on beside its blocks. Writing each
would cost a write a pass. So those are kept whose attempts people ask after: of
passes in which an attempt failed or was lost, written with the events that say so, and of the
last pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mr.events import AttemptFailed, Event, WorkerLost
from mr.solver import Point

KEPT_POINTS = 16
"""Points of passes with failures that a run's directory holds; the oldest go."""


@dataclass
class Points:
    """The point of the pass that is made, and those that are to be written.

    Attributes
    ----------
    number : int
        Of the pass that is made.
    point : mapping of str to ndarray
        Its point; empty for passes that have none.
    """

    number: int = 0
    point: Point = field(default_factory=dict)
    _due: dict[int, Point] = field(default_factory=dict)

    def hold(self, number: int, point: Point) -> None:
        """Take down that a pass begins."""
        self.number, self.point = number, point

    def note(self, event: Event) -> None:
        """Take in an event: a failure makes the pass one whose point is kept."""
        if self.point and isinstance(event, AttemptFailed | WorkerLost):
            self._due[self.number] = self.point
            while len(self._due) > KEPT_POINTS:
                del self._due[min(self._due)]

    def due(self) -> dict[int, Point]:
        """Return the points that are to be written now, by the number of their pass."""
        due, self._due = self._due, {}
        return due
