"""The command `mr` itself: its commands, each imported when it is named."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

import mr
from mr.cli.failure import reported
from mr.cli.options import common_options

COMMANDS = (
    "fit",
    "evaluate",
    "predict",
    "run",
    "resume",
    "replay",
    "plan",
    "simulate",
    "engines",
    "demo",
)


@dataclass
class Call:
    """One call of the command line: what was asked, and when.

    Parameters
    ----------
    arguments : tuple of str
        All of them, for a command line that repeats the call.
    started : float
        By `time.perf_counter`.
    verbose : bool
        Whether failures are shown with a traceback.
    run : str, optional
        The run's directory, if it has one.
    repeatable : bool
        Whether the command takes ``--only-block``.
    """

    arguments: tuple[str, ...]
    started: float
    verbose: bool = False
    run: str | None = None
    repeatable: bool = False

    @property
    def seconds(self) -> float:
        """Seconds since the call."""
        return time.perf_counter() - self.started


class Commands(click.Group):
    """A group that imports a command when it is named, and turns failures into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of a day's work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mr.cli.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take down the call before its arguments are taken apart."""
        ctx.obj = Call(tuple(args), time.perf_counter())
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever goes wrong becomes a message and an exit status."""
        with reported(ctx.obj):
            return super().invoke(ctx)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mr.__version__, message="gradfold %(version)s")
@common_options
def main() -> None:
    """MapReduce for iterative machine learning.

    Data is a file, a directory, a quoted glob or several of these, on any storage
    that fsspec reaches. Results go to standard output, with --json as one JSON
    object on the last line; all else goes to standard error.
    """
