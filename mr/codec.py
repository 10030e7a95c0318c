"""A solver's state as arrays and JSON, for checkpoints that hold no code.

A state is a frozen dataclass whose values are arrays, numbers, strings,
booleans, None, enums by name, or tuples of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar, get_args, get_type_hints

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


def _enum_in(hint: Any, name: str) -> Any:
    """Return the member of this name of the enum in an annotation such as ``Status | None``."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint.__members__.get(name)
    found = (_enum_in(part, name) for part in get_args(hint))
    return next((member for member in found if member is not None), None)


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
            member = _enum_in(hint, name)
            if member is None:
                raise UsageError(
                    f"No enum with a member {name} is named by the annotation {hint}",
                    remedy="annotate the field of the solver's state with its enum",
                )
            return member
        case {"tuple": values}:
            return tuple(_decode(v, arrays, hint) for v in values)
        case {"float": text}:
            return float.fromhex(text)
    return value
