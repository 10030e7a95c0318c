"""`FoldJob`: what a user writes to learn from blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from mr.errors import EmptyDataset
from mr.solver import Evaluation, Point
from mr.statistic import Statistic, Sums
from mr.storage.reader import BlockView


class FoldJob(ABC):
    """A statistic computed on each block and merged over all of them.

    Subclasses write `map`. A job of one pass needs no more; one that iterates
    is driven by a solver, which is told what `evaluate` makes of the total.

    Examples
    --------
    >>> class Mean(FoldJob):
    ...     def map(self, block, point):
    ...         return {"sum": block.X.sum(axis=0), "rows": block.rows}
    """

    statistic: ClassVar[type[Statistic]] = Sums
    releases_lock: ClassVar[bool] = False
    """Whether `map` spends its time in kernels that release the interpreter's lock,
    so that threads serve as well as processes."""

    def prepare(self) -> None:  # noqa: B027 - doing nothing is a good default
        """Do once, on the driver, what need not be done on each worker; by default nothing.

        Kernels compile here, so that workers find them in the cache on disk and
        no attempt's time limit runs meanwhile.
        """

    @abstractmethod
    def map(self, block: BlockView, point: Point) -> Statistic | Mapping[str, Any] | None:
        """Compute the statistic of one block.

        Parameters
        ----------
        block : BlockView
            The block's selected records.
        point : mapping of str to ndarray
            What the solver asks to be evaluated; empty for jobs of one pass. Read-only.

        Returns
        -------
        Statistic, mapping of names to sums, or None
            None where the block has nothing to add. Must depend on the
            arguments alone: tasks are repeated after failures.
        """

    def evaluate(self, total: Statistic | None, point: Point) -> Any:
        """Turn the merged statistic into what the solver is told.

        The default takes sums called ``loss``, ``gradient`` and, if there is
        one, ``weight``, and returns an `Evaluation` of the mean.

        Raises
        ------
        EmptyDataset
            If there is nothing to evaluate at a point: no block had a term, or the
            weights sum to zero.
        """
        if total is None and point:
            raise _nothing("No record of the dataset has anything to add")
        if not isinstance(total, Sums) or "loss" not in total or "gradient" not in total:
            return total
        weight = float(total["weight"]) if "weight" in total else 1.0
        if weight == 0:
            raise _nothing("The weights of all records sum to zero")
        return Evaluation(float(total["loss"]) / weight, total["gradient"] / weight)


def _nothing(what: str) -> EmptyDataset:
    return EmptyDataset(
        what, remedy="check the weights, or the share of the dataset that was selected"
    )
