"""Evaluators: how good the predictions for labelled data are, all measures in one pass.

Records count by their weights, where the data has weights; those of weight zero are
left out. What is computed agrees with scikit-learn's functions of the same names.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.design import class_codes
from mr.algorithms.kernels import link
from mr.algorithms.kernels.vector import dot
from mr.algorithms.model import LinearClassifier
from mr.algorithms.predictions import Predictions
from mr.algorithms.ranking import Ranking
from mr.algorithms.scores import predicted, scores, shown
from mr.errors import EmptyDataset, MissingValues, SchemaMismatch, UsageError
from mr.job import FoldJob
from mr.launch import Settings, fold
from mr.solver import Point
from mr.statistic import Statistic, Sums
from mr.storage.reader import BlockView

Array = NDArray[Any]

_log = logging.getLogger(__name__)


class Tally(Statistic):
    """Sums over records and, for two classes, their ranking.

    Parameters
    ----------
    sums : Sums
        ``rows`` and ``errors`` count records; ``loss`` and ``confusion``, of shape
        (classes, classes), true by predicted, sum up weights.
    ranking : Ranking or None
    """

    def __init__(self, sums: Sums, ranking: Ranking | None = None) -> None:
        self.sums = sums
        self.ranking = ranking

    def arrays(self) -> Mapping[str, Array]:
        """Return the arrays of both; those of the ranking with a prefix."""
        ranked = {} if self.ranking is None else self.ranking.arrays()
        return {**self.sums.arrays(), **{f"ranking.{name}": a for name, a in ranked.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the tally of these arrays."""
        ranked = {
            name.removeprefix("ranking."): array
            for name, array in arrays.items()
            if name.startswith("ranking.")
        }
        summed = {name: array for name, array in arrays.items() if "." not in name}
        return cls(Sums(**summed), Ranking.from_arrays(ranked) if ranked else None)

    def merge(self, other: Self) -> Self:
        """Merge sums with sums and ranking with ranking."""
        ranking = self.ranking
        if ranking is not None and other.ranking is not None:
            ranking = ranking.merge(other.ranking)
        return type(self)(self.sums.merge(other.sums), ranking)


class EvaluateJob(FoldJob):
    """Compares a block's labels with what the model makes of its features.

    Parameters
    ----------
    model : LinearClassifier
        `arranged` for the dataset that the job is run on.
    ranked : bool
        Whether the records are to be ranked by their margin. Margins, not
        probabilities: far from the boundary these round to 1 and would tie.
    """

    statistic = Tally
    releases_lock = True

    def __init__(self, model: LinearClassifier, *, ranked: bool) -> None:
        self.model = model
        self.ranked = ranked

    def map(self, block: BlockView, point: Point) -> Tally | None:
        """Compare the records of one block."""
        del point
        margins = scores(block, self.model).margins
        if len(margins) == 0:
            return None
        _check_labels(block, self.model.classes)
        codes, weight = class_codes(block, self.model.classes), block.weight
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            margins, codes, weight = margins[kept], codes[kept], weight[kept]
        if len(margins) == 0:
            return None
        sums = _sums(margins, codes, weight, len(self.model.classes))
        ranking = Ranking.of(margins[:, 0], codes, weight) if self.ranked else None
        return Tally(sums, ranking)


class BinaryEvaluator:
    """Measures for two classes, of which the second counts as positive.

    Examples
    --------
    >>> import numpy as np
    >>> from mr import Dataset
    >>> from mr.algorithms import BinaryEvaluator, LogisticRegression
    >>> data = Dataset.from_arrays(np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1])
    >>> model = LogisticRegression(l2=0.1).fit(data)
    >>> metrics = BinaryEvaluator().evaluate(model.transform(data))
    >>> metrics["accuracy"], metrics["roc_auc"], metrics["confusion_matrix"]
    (1.0, 1.0, [[2, 0], [0, 2]])
    """

    def evaluate(self, predictions: Predictions, **settings: Unpack[Settings]) -> dict[str, Any]:
        """Return the measures by name, as plain values.

        Parameters
        ----------
        predictions : Predictions
            For data with labels.
        **settings
            Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, …

        Returns
        -------
        dict
            Those of `MulticlassEvaluator` but for the means of F1, and ``precision``,
            ``recall`` and ``f1`` of the second class (0 where nothing can be divided), and
            ``roc_auc``: exact, ties counting half; None, with a warning to the log, where
            all records are of one class. It holds 24 bytes in memory for each distinct margin.

        Raises
        ------
        UsageError
            If the model has more than two classes, or the data no labels.
        SchemaMismatch
            If a label is none of the model's classes.
        """
        if len(predictions.model.classes) != 2:
            raise UsageError(
                f"The model has {len(predictions.model.classes)} classes, not two",
                remedy="use MulticlassEvaluator",
            )
        total = _evaluate(predictions, settings, ranked=True)
        precision, recall, f1 = _by_class(total.sums["confusion"])
        area = None if total.ranking is None else total.ranking.area()
        if area is None:
            _log.warning("ROC AUC is not defined: all records evaluated are of one class")
        return _common(predictions, total.sums) | {
            "roc_auc": area,
            "precision": float(precision[1]),
            "recall": float(recall[1]),
            "f1": float(f1[1]),
        }


class MulticlassEvaluator:
    """Measures for two classes or more."""

    def evaluate(self, predictions: Predictions, **settings: Unpack[Settings]) -> dict[str, Any]:
        """Return the measures by name, as plain values.

        Parameters
        ----------
        predictions : Predictions
            For data with labels.
        **settings
            Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, …

        Returns
        -------
        dict
            ``rows`` and ``errors``: numbers of records, whatever their weight, and of those
            predicted wrongly. ``accuracy``. ``log_loss``: of the margins, not of
            probabilities, so that it is exact also where these round to 0. ``macro_f1`` and
            ``weighted_f1``: the mean over classes that occur, plain and by their weight.
            ``classes``, and ``confusion_matrix``: rows are true classes, columns predicted
            ones, in that order.

        Raises
        ------
        UsageError
            If the data has no labels.
        SchemaMismatch
            If a label is none of the model's classes.
        """
        sums = _evaluate(predictions, settings, ranked=False).sums
        confusion = sums["confusion"]
        f1 = _by_class(confusion)[2]
        occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
        by_weight = f1 * confusion.sum(axis=1)
        return _common(predictions, sums) | {
            "macro_f1": float(f1[occurs].mean()),
            "weighted_f1": float(by_weight.sum() / confusion.sum()),
        }


def _evaluate(predictions: Predictions, settings: Settings, *, ranked: bool) -> Tally:
    job = EvaluateJob(predictions.model, ranked=ranked)
    total = fold(job, predictions.dataset, **settings)
    if not isinstance(total, Tally):
        raise EmptyDataset(
            "There are no records of positive weight to evaluate",
            place=predictions.dataset.where,
            remedy="check the weights, the file, or the share that was selected",
        )
    return total


def _check_labels(block: BlockView, classes: Array) -> None:
    """Refuse labels that cannot be compared with classes; which class each is comes later."""
    labels = block.y
    if labels is None:
        raise UsageError("The records have no labels", remedy="name their column: label=")
    absent = np.flatnonzero(np.isnan(labels) if labels.dtype.kind == "f" else labels == "")
    if absent.size:
        raise MissingValues(
            "A label is missing",
            place=block.place(int(absent[0])),
            remedy="fill it in, or leave the record out",
        )
    if labels.dtype.kind != classes.dtype.kind:
        kinds = {"f": "numbers", "U": "strings"}
        asked = "string" if classes.dtype.kind == "U" else "number"
        raise SchemaMismatch(
            f"The labels are {kinds.get(labels.dtype.kind)}, such as {labels[0]}, and the "
            f"model's classes {kinds.get(classes.dtype.kind)}, such as {classes[0]}",
            place=block.place(0),
            remedy=f"pass label_type='{asked}' (--label-type {asked}), or mend the labels",
        )


def _sums(margins: Array, codes: Array, weight: Array | None, classes: int) -> Sums:
    chosen = predicted(margins)
    cells = codes.astype(np.int64) * classes + chosen
    losses = link.losses(margins, codes)
    return Sums(
        rows=len(codes),
        errors=int((chosen != codes).sum()),
        loss=dot(losses, np.ones(len(losses)) if weight is None else weight),
        # Whole numbers stay whole where there are no weights.
        confusion=np.bincount(cells, weight, minlength=classes**2).reshape(classes, classes),
    )


def _common(predictions: Predictions, sums: Sums) -> dict[str, Any]:
    confusion = sums["confusion"]
    weight = confusion.sum()
    return {
        "rows": int(sums["rows"]),
        "errors": int(sums["errors"]),
        "accuracy": float(np.trace(confusion) / weight),
        "log_loss": float(sums["loss"] / weight),
        "classes": shown(predictions.model.classes).tolist(),
        "confusion_matrix": confusion.tolist(),
    }


def _by_class(confusion: Array) -> tuple[Array, Array, Array]:
    """Return precision, recall and F1 of each class; 0 where nothing can be divided."""
    hits, true, chosen = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return _share(hits, chosen), _share(hits, true), _share(2 * hits, true + chosen)


def _share(part: Array, whole: Array) -> Array:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)
