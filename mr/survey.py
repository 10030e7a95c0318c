"""The survey: one full pass before training that fixes the schema, and decodes on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from mr.errors import EmptyDataset, MalformedRecord
from mr.job import FoldJob
from mr.solver import Point
from mr.statistic import Array, Statistic
from mr.storage.columns import Columns, Sparse, hold_to_one_kind
from mr.storage.dataset import Dataset
from mr.storage.reader import BlockView
from mr.storage.schema import DENSE_FROM, Schema

MOST_CLASSES = 1000
"""More distinct labels than this are not classes."""
SURVEY_VERSION = 2
"""Raised when a survey's arrays change: what is cached under another is then stale."""
_CHUNK = 4096

_NONE_MISSING = np.empty((0, 3), np.int64)
_NONE_SKIPPED = np.empty((0, 2), np.int64)


class Survey(Statistic):
    """Facts of a share of the data; its arrays are documented where they are made."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Array:
        """Return one of the arrays."""
        return self._arrays[name]

    def arrays(self) -> Mapping[str, Array]:
        """Return the arrays by name."""
        return self._arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the survey of these arrays."""
        return cls(arrays)

    def merge(self, other: Self) -> Self:
        """Add counts and sums, unite labels, keep the first missing value.

        Raises
        ------
        SchemaMismatch
            If labels are numbers in one share and strings in the other.
        """
        width = max(len(self["sum"]), len(other["sum"]))
        merged = {
            name: _widen(self[name], width) + _widen(other[name], width)
            for name in ("sum", "square", "missing")
        }
        for name in ("rows", "stored", "missing_labels"):
            merged[name] = self[name] + other[name]
        for name in ("float32", "sparse", "weighted", "labelled"):
            merged[name] = self[name] & other[name]
        merged["skipped"] = np.concatenate([self["skipped"], other["skipped"]])
        for name in ("first_missing", "first_missing_label"):
            merged[name] = self[name] if len(self[name]) else other[name]
        merged["labels"] = _unite(self["labels"], other["labels"])
        return type(self)(merged)


class SurveyJob(FoldJob):
    """Counts, column sums and labels of each block, before any selection."""

    statistic = Survey
    releases_lock = True

    def map(self, block: BlockView, point: Point) -> Survey | None:
        """Survey one block; decoding it fills the cache."""
        del point
        columns = block.columns
        if columns.rows == 0 and columns.skipped is None:
            return None
        arrays = _features(columns) | _labels(columns)
        arrays["skipped"] = _NONE_SKIPPED if columns.skipped is None else columns.skipped
        arrays["rows"] = np.array(columns.rows)
        arrays["weighted"] = np.array(columns.weights is not None)
        return Survey(arrays)


@dataclass(frozen=True)
class Facts:
    """What the survey found.

    Parameters
    ----------
    schema : Schema
    mean, mean_square : ndarray of float64, shape (width,)
        Unweighted moments of the columns about zero, missing values left out.
    """

    schema: Schema
    mean: Array
    mean_square: Array


def survey_key(dataset: Dataset) -> str:
    """Return the key under which the cache holds the survey of a dataset, selections aside."""
    return f"survey-{SURVEY_VERSION}-{dataset.whole().digest()}"


def no_records(dataset: Dataset) -> EmptyDataset:
    """Return the error for a dataset that holds nothing."""
    return EmptyDataset(
        "There are no records in the dataset",
        place=dataset.where,
        cause="its files are empty, or hold a header alone",
        remedy="check that they were written to the end",
    )


def facts(dataset: Dataset, total: Survey | None) -> Facts:
    """Draw the schema from a survey of all blocks.

    Raises
    ------
    EmptyDataset
        If there are no records.
    """
    if total is not None:
        _hold_to_skips(dataset, total["skipped"])
    if total is None or not total["rows"]:
        raise no_records(dataset)
    rows, width = int(total["rows"]), len(total["sum"])
    counted = np.maximum(1, rows - total["missing"])
    schema = Schema(
        rows=rows,
        width=width,
        dtype="float32" if total["float32"] else "float64",
        sparse=bool(total["sparse"]) and int(total["stored"]) < DENSE_FROM * rows * width,
        stored=int(total["stored"]),
        names=dataset.names,
        weighted=bool(total["weighted"]),
        skipped=len(total["skipped"]),
        **_label_facts(total),
        **_missing_facts(dataset, total),
    )
    return Facts(schema, total["sum"] / counted, total["square"] / counted)


def _hold_to_skips(dataset: Dataset, skipped: Array) -> None:
    """Refuse more malformed records in all than may be left out."""
    most = dataset.bad_records
    if len(skipped) > most:
        ordinal, position = (int(v) for v in skipped[most])
        raise MalformedRecord(
            f"{len(skipped)} records cannot be read, and {most} may be left out",
            place=dataset.source.place(ordinal, position),
            remedy="mend the file, or allow for more: on_bad_record='skip:…' (--on-bad-record)",
        )


def _features(columns: Columns) -> dict[str, Array]:
    features = columns.features
    if features is None:
        features = np.zeros((columns.rows, 0))
    with np.errstate(over="ignore"):  # a square beyond all bounds: no scale is taken from it
        moments = _sparse_moments(features) if isinstance(features, Sparse) else _moments(features)
    values = features.data if isinstance(features, Sparse) else features
    arrays = dict(zip(("sum", "square", "missing"), moments, strict=True))
    arrays["stored"] = np.array(values.size)
    arrays["float32"] = np.array(values.dtype == np.float32)
    arrays["sparse"] = np.array(isinstance(features, Sparse))
    arrays["first_missing"] = _NONE_MISSING
    if arrays["missing"].any():
        row, column = _first_missing(features)
        arrays["first_missing"] = _identity(columns, row, column)
    return arrays


def _moments(features: Array) -> tuple[Array, Array, Array]:
    width = features.shape[1]
    total, square, missing = np.zeros(width), np.zeros(width), np.zeros(width, np.int64)
    for start in range(0, len(features), _CHUNK):
        chunk = features[start : start + _CHUNK].astype(np.float64)
        absent = ~np.isfinite(chunk)
        if absent.any():
            missing += absent.sum(axis=0)
            chunk[absent] = 0.0
        total += chunk.sum(axis=0)
        square += (chunk * chunk).sum(axis=0)
    return total, square, missing


def _sparse_moments(features: Sparse) -> tuple[Array, Array, Array]:
    values = features.data.astype(np.float64)
    absent = ~np.isfinite(values)
    values[absent] = 0.0

    def per_column(weights: Array) -> Array:
        return np.bincount(features.indices, weights, minlength=features.width)

    missing = per_column(absent.astype(np.float64)).astype(np.int64)
    return per_column(values), per_column(values * values), missing


def _first_missing(features: Array | Sparse) -> tuple[int, int]:
    if isinstance(features, Sparse):
        place = int((~np.isfinite(features.data)).argmax())
        row = int(np.searchsorted(features.indptr, place, side="right")) - 1
        return row, int(features.indices[place])
    row = int((~np.isfinite(features)).any(axis=1).argmax())
    return row, int((~np.isfinite(features[row])).argmax())


def _identity(columns: Columns, row: int, column: int) -> Array:
    return np.array([[columns.ordinal[row], columns.position[row], column]], np.int64)


def _labels(columns: Columns) -> dict[str, Array]:
    labels = columns.labels
    labelled = np.array(labels is not None)
    if labels is None:
        nothing = {"labels": np.empty(0), "missing_labels": np.array(0)}
        return {"labelled": labelled, "first_missing_label": _NONE_MISSING, **nothing}
    absent = np.isnan(labels) if labels.dtype.kind == "f" else labels == ""
    first = _identity(columns, int(absent.argmax()), 0) if absent.any() else _NONE_MISSING
    return {
        "labelled": labelled,
        "labels": np.unique(labels[~absent])[: MOST_CLASSES + 1],
        "missing_labels": np.array(int(absent.sum())),
        "first_missing_label": first,
    }


def _unite(a: Array, b: Array) -> Array:
    """Unite sorted distinct labels; one more than the most is kept to tell that there are more."""
    hold_to_one_kind(a, b)
    if not len(a) or not len(b):
        return a if len(a) else b
    return np.union1d(a, b)[: MOST_CLASSES + 1]


def _label_facts(total: Survey) -> dict[str, Any]:
    if not total["labelled"]:
        return {"labels": None, "classes": None}
    labels = total["labels"]
    kind = "number" if labels.dtype.kind == "f" else "string"
    few = len(labels) <= MOST_CLASSES
    return {"labels": kind, "classes": tuple(labels.tolist()) if few else None}


def _missing_facts(dataset: Dataset, total: Survey) -> dict[str, Any]:
    found = {"missing": int(total["missing"].sum()), "missing_labels": int(total["missing_labels"])}
    for key, names in (("first_missing", dataset.names), ("first_missing_label", ("label",))):
        if len(total[key]):
            ordinal, position, column = (int(v) for v in total[key][0])
            name = names[column] if names else str(column)
            place = replace(dataset.source.place(ordinal, position), column=name)
            return found | {"first_missing": place}
    return found


def _widen(values: Array, width: int) -> Array:
    return values if len(values) == width else np.pad(values, (0, width - len(values)))
