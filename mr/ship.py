"""Users' own functions and classes as bytes, by value, for workers that cannot import them."""

from __future__ import annotations

import io
from collections import ChainMap
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

_NAMELESS = "<dynamic-code>"
"""What cloudpickle puts in the place of a file's name, so that equal code has equal bytes."""


def dumps(value: Any) -> bytes:
    """Pickle a value with its code, which keeps the name of its file.

    Without that name a traceback from a worker would show neither file nor source line.
    Never used at rest.
    """
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def _named(code: CodeType) -> tuple[Any, ...]:
    make, parts = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return make, tuple(code.co_filename if part == _NAMELESS else part for part in parts)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # cloudpickle has no annotations
    """Differs in code objects alone; pickle looks their reducer up in the class."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _named}, cloudpickle.Pickler.dispatch_table)
