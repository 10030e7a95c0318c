"""Kernels: the loops over data, compiled, with one written-down order of summation."""

from __future__ import annotations

from importlib import import_module

from numpy.typing import DTypeLike

_MODULES = ("tiles", "dense", "sparse", "link", "vector")


def warm(*dtypes: DTypeLike, modules: tuple[str, ...] = _MODULES) -> None:
    """Compile kernels ahead of time, or load them from the cache on disk.

    A driver does so before it starts workers, which then find everything in the cache.

    Parameters
    ----------
    *dtypes : dtype-like
        Of the data to come: float32, float64; both by default.
    modules : tuple of str
        Modules of this package, e.g. ``("tiles", "dense")``.
    """
    compiled = import_module(f"{__name__}.compile")
    for module in modules:
        import_module(f"{__name__}.{module}")
    for kernel in compiled.Kernel.registry:
        if kernel.module in modules:
            kernel.warm(*(kernel.dtypes or dtypes or ("float32", "float64")))
