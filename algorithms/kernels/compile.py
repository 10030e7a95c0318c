"""Compilation of kernels: one set of options that keeps the bits, cached on disk.

A kernel is compiled for float32 or float64 data when it is first asked for, or ahead of
time by `warm`, never when its module is imported. The options matter to the promise that
a model has the same bits on any processor:

* no ``fastmath``: a sum is added up in the order in which it is written, and products
  are not contracted into fused multiply-adds, which round once instead of twice;
* ``error_model="numpy"``: a division by zero gives inf or NaN, without a branch that
  would keep a loop from being vectorised.

numba's cache notices a change of the file that holds a kernel, but not of the files whose
helpers it inlines: a checksum of all files in this directory is therefore a part of the
name under which a kernel is cached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, ParamSpec, TypeVar, cast
from zlib import crc32

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic as _numba_intrinsic
from numpy.typing import DTypeLike

from mr.storage.jit import compiled

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Type = Any  # numba's types are not annotated

_OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
}


def inline(function: F) -> F:
    """Make a helper that is compiled as part of the kernels that call it."""
    return cast("F", numba.njit(**_OPTIONS)(function))


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of kernels from one that emits its instructions."""
    return cast("Callable[..., Any]", _numba_intrinsic(function))


def readonly(real: Type, dimensions: int = 1) -> Type:
    """Return the type of a C-contiguous array that a kernel reads; mutable ones fit too."""
    return types.Array(real, dimensions, "C", readonly=True)


@cache
def _checksum() -> int:
    """Return a checksum of the sources of all kernels."""
    checksum = 0
    for path in sorted(Path(__file__).parent.glob("*.py")):
        checksum = crc32(path.read_bytes(), checksum)
    return checksum


class Kernel(Generic[P, R]):
    """A function that is compiled for float32 or float64 data, on demand.

    Parameters
    ----------
    function : callable
        What numba compiles.
    signature : callable
        From numba's type of the data to the signature of the function.
    dtypes : tuple of str
        Those it is ever used with; empty for those of the data.

    Examples
    --------
    ``kernel[tiles.dtype](tiles, ...)`` calls it; ``kernel.warm()`` compiles it.
    """

    registry: ClassVar[list[Kernel[..., Any]]] = []

    def __init__(
        self,
        function: Callable[P, R],
        signature: Callable[[Type], Type],
        dtypes: tuple[str, ...] = (),
    ) -> None:
        self._function = function
        self._signature = signature
        self.dtypes = dtypes
        self._compiled: dict[np.dtype[Any], Callable[P, R]] = {}
        self._lock = threading.Lock()
        self.module = function.__module__.rpartition(".")[2]
        # numba names the files of its cache by this.
        function.__qualname__ += f"_{_checksum():08x}"
        self.registry.append(self)

    def __getitem__(self, dtype: DTypeLike) -> Callable[P, R]:
        """Return the function for data of this dtype."""
        real = np.dtype(dtype)
        found = self._compiled.get(real)
        return found if found is not None else self._compile(real)

    def _compile(self, real: np.dtype[Any]) -> Callable[P, R]:
        with self._lock:
            if real not in self._compiled:
                signature = self._signature(numba.from_dtype(real))
                self._compiled[real] = compiled([signature], **_OPTIONS)(self._function)
            return self._compiled[real]

    def warm(self, *dtypes: DTypeLike) -> None:
        """Compile, or load from the cache on disk, for these dtypes."""
        for dtype in dtypes:
            self[dtype]


def kernel(
    signature: Callable[[Type], Type], *dtypes: str
) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Return a decorator that makes a `Kernel` with this signature."""
    return lambda function: Kernel(function, signature, dtypes)
