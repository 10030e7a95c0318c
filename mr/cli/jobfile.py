"""A user's job from a file of theirs: loaded, configured, and sent to workers by value."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from mr.errors import NotFound, Place, UsageError
from mr.job import FoldJob
from mr.solver import Solver


def load_job(target: str, values: Mapping[str, Any]) -> tuple[FoldJob, Solver[Any] | None]:
    """Load ``FILE.py`` or ``FILE.py:Name`` and make its job.

    A job that iterates says so by a method ``solver()``, of the class or of the
    module, which returns the solver that drives it.

    Parameters
    ----------
    target : str
    values : mapping
        Arguments of the job's constructor.

    Raises
    ------
    NotFound
        If there is no such file.
    UsageError
        If it cannot be imported, does not say which job is meant, or the job
        does not take the values.
    """
    path, _, name = target.partition(".py:")
    file = Path(path + ".py" if name else path)
    module = _import(file)
    job = _make(_job_class(module, name, file), values, file)
    factory = getattr(job, "solver", None) or getattr(module, "solver", None)
    return job, _checked(factory(), file) if callable(factory) else None


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` arguments; a value is JSON where it reads as that, else a string.

    Examples
    --------
    >>> parse_settings(["width=4", "name=x", "scale=true"])
    {'width': 4, 'name': 'x', 'scale': True}
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"{text!r} is not key=value", remedy="write --set width=4")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            values[key] = value
    return values


def _import(file: Path) -> ModuleType:
    if not file.is_file():
        raise NotFound("There is no such job file", place=Place(file=str(file)))
    spec = spec_from_file_location(f"gradfold_job_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError("A job file is a Python file", place=Place(file=str(file)))
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.resolve().parent))  # as `python FILE.py` has it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(
            f"The job file cannot be imported: {_last_line(error)}",
            place=Place(file=str(file), line=_line(error, file)),
            remedy="mend the file; --verbose shows the traceback",
        ) from error
    # Workers cannot import the file by its name here: it travels by value.
    cloudpickle.register_pickle_by_value(module)
    return module


def _job_class(module: ModuleType, name: str, file: Path) -> type[FoldJob]:
    found = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, FoldJob)
        and not inspect.isabstract(value)
        and value.__module__ == module.__name__
    }
    if name in found:
        return found[name]
    if len(found) == 1 and not name:
        return next(iter(found.values()))
    listed = ", ".join(found) or "none"
    raise UsageError(
        f"There is no job {name!r} in the file" if name else "The file does not hold one FoldJob",
        place=Place(file=str(file)),
        cause=f"it holds {listed}",
        remedy=f"say which: {file}:Name" if found else "define a subclass of mr.FoldJob there",
    )


def _make(kind: type[FoldJob], values: Mapping[str, Any], file: Path) -> FoldJob:
    try:
        inspect.signature(kind).bind(**values)
    except TypeError as error:
        raise UsageError(
            f"{kind.__name__} cannot be made: {error}",
            place=Place(file=str(file)),
            remedy="give its arguments with --set key=value",
        ) from None
    return kind(**values)


def _checked(solver: Any, file: Path) -> Solver[Any]:
    if isinstance(solver, Solver):
        return solver
    raise UsageError(
        f"solver() returned {type(solver).__name__}, which is no mr.Solver",
        place=Place(file=str(file)),
    )


def _line(error: BaseException, file: Path) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == file.absolute()]
    return lines[-1] if lines else None


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
