"""A solver's state as arrays and JSON, for checkpoints that hold no code.

A state is a frozen dataclass whose values are arrays, numbers, strings,
booleans, None, enums by name, or tuples of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar, get_type_hints

import numpy as np

from mr.errors import UsageError
from mr.storage.container import Array

S = TypeVar("S")


def encode_state(state: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a state as JSON values that refer to named arrays.

    Raises
    ------
    UsageError
        If the state holds anything that is neither.
    """
    arrays: dict[str, Array] = {}
    meta = {
        field.name: _encode(getattr(state, field.name), field.name, arrays)
        for field in fields(state)
    }
    return meta, arrays


def decode_state(cls: type[S], meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> S:
    """Return the state of class ``cls`` that `encode_state` described."""
    hints = get_type_hints(cls)
    return cls(**{name: _decode(value, arrays, hints.get(name)) for name, value in meta.items()})


def _encode(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    match value:
        case np.ndarray():
            arrays[path] = value
            return {"array": path}
        case Enum():
            return {"enum": value.name}
        case tuple():
            return {"tuple": [_encode(v, f"{path}.{i}", arrays) for i, v in enumerate(value)]}
        case None | bool() | int() | str():
            return value
        case float():
            return {"float": float(value).hex()}
    raise UsageError(
        f"A solver's state holds {type(value).__name__} in {path}",
        remedy="use arrays, numbers, strings, enums, None, or tuples of these",
    )


def _decode(value: Any, arrays: Mapping[str, Array], hint: Any) -> Any:
    match value:
        case {"array": path}:
            return arrays[path]
        case {"enum": name}:
            return hint[name]
        case {"tuple": values}:
            return tuple(_decode(v, arrays, None) for v in values)
        case {"float": text}:
            return float.fromhex(text)
    return value
