"""Estimators and evaluators; imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mr.algorithms.evaluation import BinaryEvaluator, MulticlassEvaluator
    from mr.algorithms.logistic import LogisticRegression
    from mr.algorithms.model import LinearClassifier
    from mr.algorithms.predictions import Predictions

_HOMES = {
    "BinaryEvaluator": "mr.algorithms.evaluation",
    "LinearClassifier": "mr.algorithms.model",
    "LogisticRegression": "mr.algorithms.logistic",
    "MulticlassEvaluator": "mr.algorithms.evaluation",
    "Predictions": "mr.algorithms.predictions",
}

__all__ = [
    "BinaryEvaluator",
    "LinearClassifier",
    "LogisticRegression",
    "MulticlassEvaluator",
    "Predictions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
