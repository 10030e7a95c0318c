"""The one place where an error becomes a message and an exit status: 2 usage, 1 failed."""

from __future__ import annotations

import shlex
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mr.errors import GradfoldError, MapFailed, NondeterministicMap, TaskFailed
from mr.tracebacks import is_users, own_traceback, summary

if TYPE_CHECKING:
    from mr.cli.group import Call

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


@contextmanager
def reported(call: Call) -> Iterator[None]:
    """Report what goes wrong in a command, and leave with its exit status.

    Parameters
    ----------
    call : Call
        Read when something went wrong: options fill it in meanwhile.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except KeyboardInterrupt:
        click.echo(_interrupted(call), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise  # click's own, which it knows how to end with
    except GradfoldError as error:
        _tell(explain(error, call), call)
        raise click.exceptions.Exit(error.exit_status) from None
    except Exception as error:  # noqa: BLE001 - a defect of ours ends in a message too
        _tell(_defect(error), call)
        raise click.exceptions.Exit(1) from None


def explain(error: GradfoldError, call: Call) -> str:
    """Return the message for an error.

    An error of the user's own code begins with their own traceback. A command line is
    added that repeats the attempt, if the run was kept, or else just that block.
    """
    theirs = error.last if isinstance(error, TaskFailed) else error
    head = "" if isinstance(theirs, MapFailed) else "Error: "
    message = f"{head}{error}"
    if not isinstance(error, MapFailed | TaskFailed | NondeterministicMap):
        return message
    block, attempt = error.place.block, error.place.attempt
    if call.run is not None and attempt is not None:
        message += f"\n  to repeat that attempt: {shlex.join(['mr', 'replay', call.run, attempt])}"
    elif call.repeatable and block is not None:
        message += f"\n  to repeat just that block: {repeat(call.arguments, block)}"
    return message


def repeat(arguments: tuple[str, ...], block: int) -> str:
    """Return the command line that does one block of a call alone, in its own process."""
    kept = [*arguments]
    if "--only-block" in kept:
        place = kept.index("--only-block")
        del kept[place : place + 2]
    # Before a bare `--`: what follows it would not be taken for an option.
    end = kept.index("--") if "--" in kept else len(kept)
    return shlex.join(["mr", *kept[:end], "--only-block", str(block), *kept[end:]])


def _interrupted(call: Call) -> str:
    if call.run is None:
        return "Interrupted."
    return f"Interrupted. To go on: {shlex.join(['mr', 'resume', call.run])}"


def _defect(error: Exception) -> str:
    if is_users(error):
        return f"{own_traceback(error)}\nError: the job raised {summary(error)}"
    return (
        f"Error: {summary(error)}\n"
        "  cause: this was not foreseen, and may be a defect of gradfold\n"
        "  remedy: repeat the command with --verbose and report what it shows"
    )


def _tell(message: str, call: Call) -> None:
    if call.verbose:
        click.echo(traceback.format_exc(), err=True)
    click.echo(message, err=True)


def _show_warning(message: Warning | str, *place: object, **more: object) -> None:
    """Show a warning as people read it; where in our code it arose is no help to them."""
    del place, more
    click.echo(f"Warning: {message}", err=True)
