"""``mr replay RUN ATTEMPT``: one attempt of a run again, in this process, under pdb if asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mr.cli.options import common_options, json_option
from mr.cli.output import result, say
from mr.cli.resume import begun_in_python, described

if TYPE_CHECKING:
    from mr.engine import Round
    from mr.history import Told
    from mr.replay import Replayed


@click.command("replay")
@click.argument("directory", metavar="RUN")
@click.argument("attempt", metavar="ATTEMPT")
@click.option("--pdb", is_flag=True, help="Look around where it raised, as `python -m pdb` does.")
@json_option
@common_options
def command(*, directory: str, attempt: str, pdb: bool, as_json: bool) -> None:
    """Repeat one attempt of a run.

    RUN is a run's directory, ATTEMPT is as messages name it: p3.b8-16.a0. The same job
    maps the same blocks at the same point, in this process. The exit status is 1 if it raises.
    """
    from mr.history import told
    from mr.replay import repeat
    from mr.task import Attempt

    directory = directory.rstrip("/")
    story = told(directory, Attempt.parse(attempt))
    say(f"{attempt}, of pass {story.attempt.task.pass_number} ({story.purpose}), ran on")
    say(f"{story.worker}. {story.outcome[:1].upper()}{story.outcome[1:]}\n")
    replayed = repeat(_round(directory, story), story)
    result(_figures(story, replayed), as_json=as_json)
    if replayed.error is not None:
        say(f"\n{replayed.error}")
        if pdb:
            _look_around(replayed)
        raise click.exceptions.Exit(1)


def _round(directory: str, story: Told) -> Round:
    """Make what the attempt was a part of, from the run's plan."""
    from mr.cli.jobfile import load_job
    from mr.engine import Program, Round
    from mr.plan import read_plan
    from mr.replay import fitted, hold_to, point_of

    plan = read_plan(directory)
    begun = plan.get("call") or {}
    of_job = begun.get("command") == "run"
    recipe = begun if of_job else plan.get("recipe")
    if not recipe:
        raise begun_in_python(directory)
    dataset = described(recipe["dataset"], directory)
    _warn(hold_to(plan, dataset, directory))
    point = point_of(directory, story)
    if of_job:
        return Round(Program(load_job(begun["job"], begun["values"])[0], dataset), point)
    return Round(fitted(directory, plan, dataset, story), point)


def _warn(differences: Mapping[str, str]) -> None:
    for name, what in differences.items():
        say(f"Warning: the run had {name} {what}; the bits may differ")


def _figures(story: Told, replayed: Replayed) -> dict[str, Any]:
    task = story.attempt.task
    figures: dict[str, Any] = {
        "attempt": str(story.attempt),
        "purpose": story.purpose,
        "blocks": f"{task.low} to {task.high - 1}",
        "worker": story.worker,
        "then": story.outcome.partition("\n")[0],
        "now": "returned" if replayed.error is None else f"raised: {replayed.error.what}",
        "seconds": replayed.seconds,
    }
    if replayed.error is not None:
        return figures
    shapes = {
        name: f"{array.dtype} {array.shape}" for name, array in (replayed.arrays or {}).items()
    }
    same = replayed.agrees(story)
    return figures | {"statistic": shapes, "digest": replayed.digest, "same_bits": same}


def _look_around(replayed: Replayed) -> None:
    import pdb  # noqa: T100 - what was asked for

    pdb.post_mortem(replayed.traceback())
