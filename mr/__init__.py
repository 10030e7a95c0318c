"""gradfold: MapReduce for iterative machine learning on HDFS and any fsspec storage.

The names below are imported when they are first used, so that ``import mr`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mr.errors import GradfoldError
    from mr.job import FoldJob
    from mr.launch import fold, solve
    from mr.session import RunOptions
    from mr.solver import Evaluation, Solver, Status
    from mr.statistic import Statistic, Sums
    from mr.storage.dataset import Dataset

__version__ = "0.1.0.dev0"

_HOMES = {
    "Dataset": "mr.storage.dataset",
    "Evaluation": "mr.solver",
    "FoldJob": "mr.job",
    "GradfoldError": "mr.errors",
    "RunOptions": "mr.session",
    "Solver": "mr.solver",
    "Statistic": "mr.statistic",
    "Status": "mr.solver",
    "Sums": "mr.statistic",
    "fold": "mr.launch",
    "solve": "mr.launch",
}

__all__ = [
    "Dataset",
    "Evaluation",
    "FoldJob",
    "GradfoldError",
    "RunOptions",
    "Solver",
    "Statistic",
    "Status",
    "Sums",
    "fold",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
