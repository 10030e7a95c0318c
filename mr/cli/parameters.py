"""Command-line options made from an estimator's parameters, ours or another package's."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import click

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\w+) :.*\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)


def parameter_options(estimator: type) -> list[click.Option]:
    """Return an option for each keyword of an estimator's constructor.

    The kind comes from its annotation, the default from its signature, the help
    from the numpy docstring. ``fit_intercept: bool`` is ``--intercept/--no-intercept``.

    Parameters
    ----------
    estimator : type
        Its keywords are annotated with bool, int, float, str, or a Literal of strings.
    """
    texts = dict(documented(estimator.__doc__ or ""))
    return [
        _option(name, parameter.annotation, parameter.default, texts.get(name, ""))
        for name, parameter in inspect.signature(estimator, eval_str=True).parameters.items()
    ]


def documented(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each entry of a numpy docstring's section of parameters."""
    section = _SECTION.search(inspect.cleandoc(docstring) + "\n")
    if section is None:
        return
    for entry in _ENTRY.finditer(section[1]):
        text = " ".join(entry[2].split())
        yield entry[1], text.replace("``", "")


def _option(name: str, hint: Any, default: Any, text: str) -> click.Option:
    required = default is inspect.Parameter.empty
    values: dict[str, Any] = {"help": text, "required": required}
    if not required:
        values |= {"default": default, "show_default": default is not None}
    stem = name.removeprefix("fit_").replace("_", "-")
    if _plain(hint) is bool:
        return click.Option([f"--{stem}/--no-{stem}", name], **values)
    return click.Option([f"--{name.replace('_', '-')}", name], type=_kind(hint), **values)


def _plain(hint: Any) -> Any:
    """Return what a hint holds beside None."""
    if get_origin(hint) in (Union, types.UnionType):
        held = [kind for kind in get_args(hint) if kind is not type(None)]
        return held[0] if len(held) == 1 else str
    return hint


def _kind(hint: Any) -> Any:
    hint = _plain(hint)
    if get_origin(hint) is Literal:
        return click.Choice(get_args(hint))
    return hint if hint in (int, float, str) else str
