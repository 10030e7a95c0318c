"""`LinearClassifier`: a fitted model as a value, its digest, and its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.errors import CorruptFile, Place, UsageError
from mr.storage.atomic import write_bytes
from mr.storage.container import pack, unpack
from mr.storage.directory import read_bytes
from mr.storage.schema import Schema

Array = NDArray[Any]

FORMAT = 1
KIND = "linear-classifier"


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Coefficients, and what is needed to apply them to data.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (K, width)
        One row for each class; for two classes the one row of the second class.
    intercepts : ndarray of float64, shape (K,)
        Zeros where the model has none.
    classes : ndarray of float64 or str, shape (classes,)
        Sorted.
    schema : Schema
        Of the data it was fitted on.
    training : mapping
        JSON values about the fit: parameters, objective, status. No part of the digest.
    """

    coefficients: Array
    intercepts: Array
    classes: Array
    schema: Schema
    training: Mapping[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """Return the sha256 of all that decides predictions: arrays and classes, no metadata."""
        arrays = {"coefficients": self.coefficients, "intercepts": self.intercepts}
        return model_digest(arrays, self.classes)

    def save(self, url: str) -> None:
        """Write the model to a file on any storage: whole or not at all, replacing."""
        meta = {
            "kind": KIND,
            "format": FORMAT,
            "schema": self.schema.to_json(),
            "training": dict(self.training),
            "model_digest": self.digest(),
        }
        arrays = {
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "classes": self.classes,
        }
        write_bytes(url, pack(meta, arrays))

    @classmethod
    def load(cls, url: str) -> LinearClassifier:
        """Read a model from a file on any storage.

        Raises
        ------
        NotFound
            If there is none.
        CorruptFile
            If it is damaged, or its digest is not the one it was saved with.
        UsageError
            If the file is something else.
        """
        meta, arrays = unpack(read_bytes(url), source=url)
        if meta.get("kind") != KIND or meta.get("format") != FORMAT:
            raise UsageError(
                f"The file holds {meta.get('kind', 'no model')}, format {meta.get('format')}",
                place=Place(file=url),
                remedy="give the file that a fit wrote, read by the same or a later version",
            )
        schema = Schema.from_json(meta["schema"])
        model = cls(**arrays, schema=schema, training=meta["training"])
        if model.digest() != meta["model_digest"]:
            raise CorruptFile("A model is not the one that was saved", place=Place(file=url))
        return model


def model_digest(arrays: Mapping[str, Array], classes: Array) -> str:
    """Return the sha256 over arrays sorted by name, and the classes.

    Each array counts with its name, dtype, shape and little-endian bytes.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}\0{plain.dtype.str}\0{plain.shape}\0".encode())
        digest.update(plain.tobytes())
    digest.update(json.dumps(classes.tolist()).encode())
    return digest.hexdigest()
