"""Least squares with a solver of gradfold's: write the loss and gradient of a block, no more.

::

    python examples/least_squares.py DATA.csv LABEL WIDTH
    mr run examples/least_squares.py DATA.csv --label LABEL --set width=WIDTH

Any function that is a sum over records is minimised in the same way.
"""

import sys

import numpy as np

from mr import Dataset, FoldJob, solve
from mr.algorithms.solvers.lbfgs import LBFGS


class LeastSquares(FoldJob):
    """Half the mean squared error of ``y`` against ``X w``.

    Parameters
    ----------
    width : int
        Number of columns.
    """

    def __init__(self, width):
        self.width = width

    def map(self, block, point):
        """Sum loss and gradient over one block; ``weight`` is what they are divided by."""
        residual = block.X @ point["x"] - block.y
        return {
            "loss": 0.5 * residual @ residual,
            "gradient": block.X.T @ residual,
            "weight": block.rows,
        }

    def solver(self):
        """Return what moves ``x`` from pass to pass."""
        return LBFGS(np.zeros(self.width), tol=1e-8)


if __name__ == "__main__":
    job = LeastSquares(width=int(sys.argv[3]))
    outcome = solve(job, job.solver(), Dataset(sys.argv[1], label=sys.argv[2]))
    print(outcome.status.value)
    print(outcome.state.x)
