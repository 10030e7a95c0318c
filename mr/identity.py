"""What makes a run the run it is: the job and its code, the data, the versions, the processor."""

from __future__ import annotations

import hashlib
import inspect
import platform
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

import mr


def described(thing: Any) -> dict[str, Any]:
    """Return the class of a job or solver, its code, and its plain attributes.

    Arrays and code are told by their digests; code that cannot be found, as of a class
    that was typed in, by nothing.
    """

    def shown(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            body = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"{value.dtype.str} {value.shape} {body[:16]}"
        plain = value is None or isinstance(value, bool | int | float | str)
        return value if plain else type(value).__qualname__

    held = {name: shown(value) for name, value in sorted(getattr(thing, "__dict__", {}).items())}
    return {"class": type(thing).__qualname__, "code": _code(type(thing)), **held}


def _code(kind: type) -> str:
    try:
        return hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


def versions() -> dict[str, str]:
    """Return what may change bits: the versions of what computes."""
    found = {name: version(name) for name in ("numpy", "scipy", "numba")}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"gradfold": mr.__version__, "python": python, **found, "machine": platform.machine()}


def processor() -> str:
    """Return the class of processor, by the kernels that BLAS picks for it.

    It does not decide what L-BFGS computes, but what Newton's method does.
    """
    found = {f"{lib['internal_api']} {lib.get('architecture', '')}" for lib in threadpool_info()}
    return ", ".join(sorted(name.strip() for name in found if "blas" in name or "mkl" in name))
