"""Engines, estimators and models by name. The core names them as strings and imports none.

Others' packages add theirs through the entry point groups named below
(formats: ``gradfold.formats``, see `mr.storage.formats`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mr.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be had by name.

    Parameters
    ----------
    path : str
        ``module:attribute``.
    summary : str
        One line for people.
    """

    path: str
    summary: str


@dataclass(frozen=True)
class Registry:
    """Names of one kind, ours and those of installed packages."""

    kind: str
    group: str
    ours: Mapping[str, Entry]

    def entries(self) -> dict[str, Entry]:
        """Return all names and what is behind them; ours win."""
        others = {
            point.name: Entry(point.value, f"from {point.dist.name if point.dist else '?'}")
            for point in entry_points(group=self.group)
        }
        return others | dict(self.ours)

    def load(self, name: str) -> Any:
        """Import what is behind a name.

        Raises
        ------
        UsageError
            If there is no such name.
        """
        entry = self.ours.get(name) or self.entries().get(name)
        if entry is None:
            raise UsageError(
                f"There is no {self.kind} {name!r}",
                remedy=f"use one of {', '.join(sorted(self.entries()))}",
            )
        module, _, attribute = entry.path.partition(":")
        return getattr(import_module(module), attribute)


ENGINES = Registry(
    "engine",
    "gradfold.engines",
    {
        "inline": Entry(
            "mr.cluster.inline:InlineEngine", "this process, one task at a time: debugging"
        ),
        "threads": Entry(
            "mr.cluster.threads:ThreadsEngine",
            "threads of this process: our own algorithms, no start-up, no copies",
        ),
        "processes": Entry(
            "mr.cluster.processes:ProcessesEngine",
            "worker processes of this machine: your own Python code, large data, isolation",
        ),
        "simulated": Entry(
            "mr.cluster.simulated.engine:SimulatedEngine",
            "a virtual cluster in virtual time: simulated:machines=100,cores=4,…",
        ),
    },
)

WRAPPERS = Registry(
    "engine wrapper",
    "gradfold.wrappers",
    {"faults": Entry("mr.cluster.faults:with_faults", "seeded faults: raise, hang, kill")},
)

PLANNERS = Registry(
    "part of planning",
    "gradfold.planners",
    {
        "predict": Entry("mr.cluster.simulated.predict:predict", "a run from its costs"),
        "repredict": Entry("mr.cluster.simulated.predict:repredict", "a run that was made"),
        "draw": Entry("mr.cluster.simulated.picture:draw", "tasks over time"),
    },
)

ESTIMATORS = Registry(
    "estimator",
    "gradfold.estimators",
    {
        "logistic": Entry(
            "mr.algorithms.logistic:LogisticRegression",
            "logistic regression, binary and multinomial, with L2",
        ),
    },
)

MODELS = Registry(
    "kind of model",
    "gradfold.models",
    {"linear-classifier": Entry("mr.algorithms.model:LinearClassifier", "coefficients")},
)

PREDICTIONS = Registry(
    "kind of predictions",
    "gradfold.predictions",
    {"classifier": Entry("mr.algorithms.predictions:Predictions", "classes, probabilities")},
)

EVALUATORS = Registry(
    "evaluator",
    "gradfold.evaluators",
    {
        "binary": Entry("mr.algorithms.evaluation:BinaryEvaluator", "for two classes"),
        "multiclass": Entry("mr.algorithms.evaluation:MulticlassEvaluator", "for any number"),
    },
)
