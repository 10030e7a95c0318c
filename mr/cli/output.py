"""Results to standard output, as a table or as JSON; progress to standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mr.session import Listener


def say(text: str = "") -> None:
    """Tell people something."""
    click.echo(text, err=True)


def result(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Write the result of a command: JSON on one line, or a table.

    Parameters
    ----------
    values : mapping
        Numbers, strings, arrays, and lists and mappings of these.
    as_json : bool
    """
    plain = _plain(values)
    if as_json:
        click.echo(json.dumps(plain, allow_nan=False))
    else:
        table(_rows(plain))


def table(rows: Iterable[tuple[str, str]]) -> None:
    """Write two aligned columns."""
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    for name, text in listed:
        lines = text.split("\n")
        click.echo(f"{name:<{width}}  {lines[0]}".rstrip())
        for line in lines[1:]:
            click.echo(f"{'':<{width}}  {line}".rstrip())


@contextmanager
def shown(tol: float | None = None) -> Iterator[Listener]:
    """Show progress meanwhile: live on a terminal, plain lines elsewhere.

    Parameters
    ----------
    tol : float, optional
        The relative gradient at which the run ends, for the time left.
    """
    from mr import progress

    if sys.stderr.isatty():
        with progress.live(tol) as listener:
            yield listener
    else:
        yield progress.lines(say, tol)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, without importing it
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _rows(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict) and value:
            yield from _rows(value, f"{label}: ")
        else:
            yield label, _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case list():
            return _list_text(value)
    return str(value)


def _list_text(values: list[Any]) -> str:
    match values:
        case [list(), *_]:  # a matrix
            return "\n".join(_text(row) for row in values)
        case [dict(), *_]:
            shown = (", ".join(f"{k} {_text(v)}" for k, v in one.items()) for one in values)
            return "\n".join(shown)
    return "  ".join(_text(value) for value in values)
