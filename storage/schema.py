"""`Schema`: what one full pass over a dataset fixes before anything is learned from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mr.storage.errors import Place

DENSE_FROM = 0.3
"""Sparse input of at least this share of stored values is laid out dense."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The facts of a dataset, taken over all of it, before any split.

    Parameters
    ----------
    rows : int
        Number of records.
    width : int
        Number of feature columns.
    dtype : str
        ``float32`` or ``float64``.
    sparse : bool
        Whether features are laid out in compressed rows.
    stored : int
        Number of feature values stored (all of them, for dense input).
    names : tuple of str
        Names of the feature columns; empty where the format has none.
    labels : {"number", "string"} or None
        What labels are; None where there are none.
    classes : tuple of float or str, or None
        Distinct labels, sorted; None where there are none or too many to be classes.
    weighted : bool
        Whether records carry weights.
    missing : int
        Number of feature values that are missing or infinite.
    missing_labels : int
        Number of labels that are missing.
    first_missing : Place or None
        Where the first such feature value is; of the first missing label, if there is none.
    skipped : int
        Number of malformed records that were left out.
    """

    rows: int
    width: int
    dtype: str
    sparse: bool
    stored: int
    names: tuple[str, ...] = ()
    labels: Literal["number", "string"] | None = None
    classes: tuple[float, ...] | tuple[str, ...] | None = None
    weighted: bool = False
    missing: int = 0
    missing_labels: int = 0
    first_missing: Place | None = None
    skipped: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `from_json` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Schema:
        """Return the schema that `to_json` described."""
        fields = dict(values)
        fields["names"] = tuple(fields["names"])
        if fields["classes"] is not None:
            fields["classes"] = tuple(fields["classes"])
        if fields["first_missing"] is not None:
            fields["first_missing"] = Place(**fields["first_missing"])
        return cls(**fields)

    def digest(self) -> str:
        """Return a digest of the schema, for keys of what is laid out by it."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def column(self, index: int) -> str:
        """Return the name of a feature column, or its number where there are no names."""
        return self.names[index] if self.names else str(index)
