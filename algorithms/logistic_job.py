"""The logistic loss as a fold job: sums over a block, and the objective from their total."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.design import Design, class_codes, design, no_rows, weights
from mr.algorithms.kernels import dense, sparse
from mr.algorithms.linear import Layout
from mr.errors import EmptyDataset
from mr.job import FoldJob
from mr.solver import Evaluation, Point
from mr.statistic import Statistic, Sums
from mr.storage.columns import Sparse
from mr.storage.reader import BlockView
from mr.storage.schema import Schema

Array = NDArray[Any]


class LogisticJob(FoldJob):
    """Loss, gradient and, for Newton's method, Hessian of the logistic loss.

    Parameters
    ----------
    schema : Schema
    layout : Layout
    l2 : float
    hessian : bool
        Whether second derivatives are wanted.
    """

    releases_lock = True

    def __init__(self, schema: Schema, layout: Layout, l2: float, *, hessian: bool) -> None:
        self.schema = schema
        self.layout = layout
        self.l2 = l2
        self.hessian = hessian
        self.classes = np.array(schema.classes)

    def prepare(self) -> None:
        """Compile the kernels, by a call on no records."""
        W, b = self.layout.split(self.layout.zeros())
        _sums(no_rows(self.schema), np.zeros(0, np.int8), None, W, b)

    def map(self, block: BlockView, point: Point) -> Sums | None:
        """Sum over the records of one block."""
        laid = design(block, self.schema)
        if laid.rows == 0:
            return None
        y, v = class_codes(block, self.classes), weights(block, self.schema)
        W, b = self.layout.split(point["x"])
        loss, gradient, intercept, weight = _sums(laid, y, v, W, b)
        if weight == 0:
            return None  # zero is the absence of a term, never an added one
        sums = {"loss": loss, "gradient": gradient, "intercept": intercept, "weight": weight}
        if self.hessian:
            sums["hessian"] = _hessian(laid, v, W, b)
        return Sums(**sums)

    def evaluate(self, total: Statistic | None, point: Point) -> Evaluation:
        """Divide once, penalise once."""
        if not isinstance(total, Sums):
            raise EmptyDataset(
                "No record has a positive weight",
                remedy="check the weights, or the share that was selected",
            )
        return self.layout.finish(
            float(total["loss"]),
            (total["gradient"], total["intercept"]),
            float(total["weight"]),
            point["x"],
            self.l2,
            total["hessian"] if self.hessian else None,
        )


def _sums(laid: Design, y: Array, v: Array | None, W: Array, b: Array) -> tuple[Any, ...]:
    if isinstance(laid.X, Sparse):
        csr = (laid.X.data, laid.X.indices, laid.X.indptr)
        if len(W) == 1:
            return sparse.binary_logistic(*csr, y, v, W[0], float(b[0]))
        return sparse.multinomial_logistic(*csr, y, v, W, b)
    if len(W) == 1:
        return dense.binary_logistic(laid.X, laid.rows, y, v, W[0], float(b[0]))
    return dense.multinomial_logistic(laid.X, laid.rows, y, v, W, b)


def _hessian(laid: Design, v: Array | None, W: Array, b: Array) -> Array:
    if isinstance(laid.X, Sparse):
        csr = (laid.X.data, laid.X.indices, laid.X.indptr)
        if len(W) == 1:
            return sparse.binary_hessian(*csr, v, W[0], float(b[0]))
        return sparse.multinomial_hessian(*csr, v, W, b)
    if len(W) == 1:
        return dense.binary_hessian(laid.X, laid.rows, v, W[0], float(b[0]))
    return dense.multinomial_hessian(laid.X, laid.rows, v, W, b)
