"""Column means in one pass: the smallest job there is.

::

    python examples/mean.py DATA
    mr run examples/mean.py DATA --engine processes --workers 2
"""

import sys

from mr import Dataset, FoldJob, fold


class Mean(FoldJob):
    """Sums each block's columns; the division comes once, at the end."""

    def map(self, block, point):
        """Sum the columns of one block."""
        return {"sum": block.X.sum(axis=0), "rows": block.rows}

    def evaluate(self, total, point):
        """Divide the sums over all blocks."""
        return {"mean": total["sum"] / total["rows"], "rows": total["rows"]}


if __name__ == "__main__":
    job = Mean()
    print(job.evaluate(fold(job, Dataset(sys.argv[1])), {})["mean"])
