"""Classifiers made by hand, and data for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv

from mr import Dataset
from mr.algorithms.model import LinearClassifier
from mr.storage.schema import Schema

ROWS, WIDTH = 300, 5


def model_of(W, b, classes, names=(), sparse=False, dtype="float64") -> LinearClassifier:
    W = np.asarray(W, dtype=np.float64)
    schema = Schema(
        rows=0, width=W.shape[1], dtype=dtype, sparse=sparse, stored=0, names=tuple(names)
    )
    return LinearClassifier(W, np.asarray(b, np.float64), np.array(classes), schema)


def binary(names=(), **options) -> LinearClassifier:
    W = np.array([[1.5, -2.0, 0.25, 0.0, 1.0]])
    return model_of(W, [0.3], [0.0, 1.0], names, **options)


def ternary(**options) -> LinearClassifier:
    W = np.random.default_rng(5).normal(size=(3, WIDTH))
    return model_of(W, [0.1, 0.0, -0.1], ["low", "mid", "top"], **options)


def in_blocks(X, count=7, **options) -> Dataset:
    return Dataset.from_arrays(X, block_size=X.nbytes // count, **options)


def write_csv(path, X, names, **columns):
    table = pa.table({**columns, **{name: X[:, i] for i, name in enumerate(names)}})
    pa.csv.write_csv(table, path)
    return str(path)
