"""`Statistic`: what a map task returns and how two of them become one.

Laws, held by one suite for every statistic (``tests/contracts/statistics.py``):
any cut of the work into nodes of the canonical tree gives the same bits; zero
is the absence of a term (None), never an added one; encode and decode are a
round trip.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mr.errors import UsageError
from mr.storage.container import pack, unpack

Array = NDArray[Any]


class Statistic(ABC):
    """Named arrays with a merge. The merge need not be associative: its order is fixed."""

    elementwise: ClassVar[bool] = False
    """Whether merging adds element by element, so that it may be cut by coordinate range."""

    @abstractmethod
    def arrays(self) -> Mapping[str, Array]:
        """Return the named arrays: all that the statistic is."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the statistic of these arrays."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """Return the statistic of both shares of the data; ``other`` is the later one."""

    def encode(self) -> bytes:
        """Return the statistic as bytes, with checksums and without pickle."""
        return pack({"type": type(self).__name__}, self.arrays())

    @classmethod
    def decode(cls, buffer: bytes | memoryview) -> Self:
        """Return the statistic that `encode` wrote; arrays are views of ``buffer``.

        Raises
        ------
        UsageError
            If another kind of statistic was encoded.
        """
        meta, arrays = unpack(buffer)
        if meta.get("type") != cls.__name__:
            raise UsageError(
                f"map returned {meta.get('type')}, where {cls.__name__} was to be merged",
                remedy="name the statistic that map returns in the job: statistic = …",
            )
        return cls.from_arrays(arrays)


class Sums(Statistic):
    """Running sums by name: losses, gradients, counts, confusion matrices.

    Parameters
    ----------
    **arrays : array-like
        Sums over records; division and penalties come once, on the driver. Booleans
        count as 0 and 1.

    Examples
    --------
    >>> total = Sums(loss=1.5, gradient=[1.0, 2.0]).merge(Sums(loss=0.5, gradient=[0.0, 1.0]))
    >>> float(total["loss"]), total["gradient"].tolist()
    (2.0, [1.0, 3.0])
    """

    elementwise = True

    def __init__(self, /, **arrays: Any) -> None:
        self._arrays = {name: _summable(name, value) for name, value in arrays.items()}

    def __getitem__(self, name: str) -> Array:
        """Return one sum."""
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        """Return whether there is a sum of this name."""
        return name in self._arrays

    def __repr__(self) -> str:
        """Show the names and shapes."""
        shown = ", ".join(f"{name}{array.shape}" for name, array in self._arrays.items())
        return f"Sums({shown})"

    def arrays(self) -> Mapping[str, Array]:
        """Return the sums by name."""
        return self._arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the sums of these names."""
        return cls(**arrays)

    def merge(self, other: Self) -> Self:
        """Add name by name.

        Raises
        ------
        ValueError
            If the names or shapes differ.
        """
        if self._arrays.keys() != other._arrays.keys():
            raise ValueError(f"{self} and {other} do not hold the same sums")
        for name, array in self._arrays.items():
            if array.shape != other[name].shape:
                raise ValueError(f"{self} and {other} differ in the shape of {name}")
        return type(self)(**{name: array + other[name] for name, array in self._arrays.items()})


def _summable(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} holds {array.dtype}, not numbers")
    # numpy's sum of two booleans is a boolean: of hits in two blocks, one would be counted.
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def as_statistic(value: Statistic | Mapping[str, Any] | None) -> Statistic | None:
    """Return what a map function returned as a statistic; a mapping becomes `Sums`.

    Raises
    ------
    UsageError
        If it is something else, or holds what cannot be summed.
    """
    if value is None or isinstance(value, Statistic):
        return value
    what = f"map returned {type(value).__name__}"
    if isinstance(value, Mapping):
        try:
            return Sums(**value)
        except (TypeError, ValueError) as error:
            what = f"map returned what cannot be summed: {error}"
    raise UsageError(
        what, remedy="return a dict of names to numbers or arrays of numbers, a Statistic, or None"
    )
