"""A model applied to one block: margins, and the classes and probabilities they mean.

Margins alone are computed on workers and kept in the cache; what else is asked
for follows from them, by exp and log of our own, with the same bits everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.design import design
from mr.algorithms.kernels import dense, link, sparse
from mr.algorithms.model import LinearClassifier
from mr.errors import MalformedRecord, MissingValues, SchemaMismatch
from mr.storage.cache import Entry
from mr.storage.columns import Columns, Sparse
from mr.storage.dataset import Dataset
from mr.storage.reader import BlockView
from mr.storage.schema import Schema

Array = NDArray[Any]

_LAYOUT = 1
"""Raised when what is kept of a block changes: what is cached under another is then stale."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model makes of the selected records of a block.

    Parameters
    ----------
    margins : ndarray of float64, shape (rows, K)
        Finite; one column for two classes, of the second.
    ids : ndarray, shape (rows,), or None
        The user's own keys: int64, float64 or strings.
    """

    margins: Array
    ids: Array | None

    @property
    def rows(self) -> int:
        """Number of records."""
        return len(self.margins)


def arranged(model: LinearClassifier, dataset: Dataset) -> LinearClassifier:
    """Return the model with its coefficients in the order of a dataset's columns.

    Columns are matched by name where both have names, else by position. It is the
    coefficients that are moved, not the data, which may be large and laid out already.

    Raises
    ------
    SchemaMismatch
        If one has a column that the other lacks.
    """
    known, given = model.schema.names, dataset.names
    if not given or known == given:
        return model
    if not known:  # then errors may name the data's columns
        names = given if len(given) == model.schema.width else ()
        return replace(model, schema=replace(model.schema, names=names))
    place = {name: index for index, name in enumerate(known)}
    missing = [name for name in known if name not in set(given)]
    extra = [name for name in given if name not in place]
    if missing or extra:
        raise _other_columns(missing, extra, dataset)
    order = [place[name] for name in given]
    coefficients = np.ascontiguousarray(model.coefficients[:, order])
    return replace(model, coefficients=coefficients, schema=replace(model.schema, names=given))


def scores(block: BlockView, model: LinearClassifier) -> Scores:
    """Apply a model to a block, or find what came of it in the cache.

    Parameters
    ----------
    block : BlockView
    model : LinearClassifier
        `arranged` for the block's dataset.

    Raises
    ------
    MissingValues
        If a feature is missing.
    MalformedRecord
        If a margin is infinite.
    SchemaMismatch
        If there are other columns than the model's.
    """
    schema = model.schema
    layout = f"{schema.dtype}-{'sparse' if schema.sparse else 'dense'}"
    name = f"scores-{_LAYOUT}-{layout}-{model.digest()}"
    _, arrays = block.derived(name, lambda columns: _apply(block, columns, model))
    return Scores(arrays["margins"], arrays.get("ids"))


def predicted(margins: Array) -> Array:
    """Return the place of the likeliest class of each record, int64; the first of equal ones."""
    if margins.shape[1] == 1:
        return (margins[:, 0] > 0).astype(np.int64)
    return np.asarray(margins.argmax(axis=1))


def probabilities(margins: Array) -> Array:
    """Return the probability of each class, float64, shape (rows, classes)."""
    if margins.shape[1] > 1:
        return link.softmax(margins)
    # Each from its own side: 1 - p has lost the digits of a small probability.
    return np.stack([link.sigmoid(-margins[:, 0]), link.sigmoid(margins[:, 0])], axis=1)


def shown(classes: Array) -> Array:
    """Return the classes as people wrote them: whole numbers as int64, without a ``.0``."""
    if classes.dtype.kind != "f" or not (classes == np.floor(classes)).all():
        return classes
    return classes.astype(np.int64) if (np.abs(classes) < 2**53).all() else classes


def _apply(block: BlockView, columns: Columns, model: LinearClassifier) -> Entry:
    ids = {} if columns.ids is None else {"ids": columns.ids}
    if columns.rows == 0:
        return {}, {"margins": np.empty((0, len(model.intercepts))), **ids}
    _refuse_wider(block, columns, model)
    laid = design(block, model.schema)
    W, b = model.coefficients, model.intercepts
    if isinstance(laid.X, Sparse):
        margins = sparse.margins(laid.X.data, laid.X.indices, laid.X.indptr, W, b)
    else:
        margins = dense.margins(laid.X, laid.rows, W, b)
    # A margin is a sum over all features, so looking at margins finds whatever is not finite.
    wrong = np.flatnonzero(~np.isfinite(margins).all(axis=1))
    if wrong.size:
        raise _not_finite(block, int(wrong[0]), model.schema)
    return {}, {"margins": margins, **ids}


def _refuse_wider(block: BlockView, columns: Columns, model: LinearClassifier) -> None:
    width, features = model.schema.width, columns.features
    if columns.width <= width:
        return
    row, column = 0, columns.width - 1
    if isinstance(features, Sparse):
        beyond = np.flatnonzero(features.indices >= width)
        first = int(beyond[0]) if beyond.size else 0
        row = int(np.searchsorted(features.indptr, first, side="right")) - 1
        column = int(features.indices[first]) if beyond.size else column
    raise SchemaMismatch(
        f"The data has {column + 1} feature columns or more, and the model {width}",
        place=block.place(row),
        cause="the model was fitted on narrower data, or the file is another one",
        remedy="fit the model with features= (--features) of the full width",
    )


def _not_finite(block: BlockView, row: int, schema: Schema) -> MissingValues | MalformedRecord:
    values, columns = _values(block.X, row)
    missing = np.isnan(values)
    worst = int(columns[(missing if missing.any() else np.abs(values)).argmax()])
    place = replace(block.place(row), column=schema.column(worst))
    if missing.any():
        return MissingValues(
            "A feature value is missing",
            place=place,
            cause="an empty field, a null or NaN",
            remedy="fill it in, or leave the record out; a linear model cannot do without",
        )
    return MalformedRecord(
        "The margin of a record is not a finite number",
        place=place,
        cause="a feature value, the largest is named above, is infinite or all but infinite",
        remedy="correct the value, or leave the record out",
    )


def _values(X: Array | Sparse | None, row: int) -> tuple[Array, Array]:
    """Return the values of a record that has some, and their columns."""
    if isinstance(X, Sparse):
        one = X.slice(row, row + 1)
        return one.data, one.indices
    values = np.asarray(X)[row]
    return values, np.arange(len(values))


def _other_columns(
    missing: Sequence[str], extra: Sequence[str], dataset: Dataset
) -> SchemaMismatch:
    lacks = f"lacks {_listed(missing)}" if missing else ""
    has = f"has {_listed(extra)}, unknown to the model" if extra else ""
    return SchemaMismatch(
        f"The data {' and '.join(filter(None, (lacks, has)))}",
        place=dataset.where,
        cause="its columns are not those that the model was fitted on; their order is no matter",
        remedy="name the columns that are no features as label=, weight= or id=, "
        "and leave others out of the file",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    kind = "the column" if len(names) == 1 else "the columns"
    return f"{kind} {', '.join(map(repr, names[:8]))}{more}"
