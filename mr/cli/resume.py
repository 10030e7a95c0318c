"""``mr resume RUN``: go on with a run that was interrupted, from its newest checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import click

from mr.cli import fit, run
from mr.cli.options import Keeping, Running, common_options, engine_options, json_option
from mr.cli.output import result
from mr.cli.paths import absolute

if TYPE_CHECKING:
    from mr.cli.group import Call
    from mr.storage.dataset import Dataset


@click.command("resume")
@click.argument("directory", metavar="RUN")
@click.option("--model", "-o", metavar="OUT", help="Where the model is written, if elsewhere.")
@engine_options
@click.option("--checkpoint-interval", type=click.FloatRange(0), default=1.0, metavar="SECONDS")
@json_option
@common_options
@click.pass_obj
def command(
    call: Call,
    *,
    directory: str,
    model: str | None,
    running: Running,
    checkpoint_interval: float,
    as_json: bool,
) -> None:
    """Go on with a run that was interrupted.

    The call that began it is made again, from its newest checkpoint. Engine and
    workers may differ from the first time; the model does not.
    """
    from mr.plan import read_plan

    plan = read_plan(directory)
    call.run = directory
    running = _as_begun(running, plan.get("recipe") or plan.get("call") or {})
    kept = Keeping(directory, checkpoint_interval).settings()
    if (plan.get("call") or {}).get("command") == "run":
        found = run.carry_out(_work(plan["call"]), running, kept, call)
    else:
        found = fit.carry_out(_training(plan, directory, model), running, kept, call)
    result(found, as_json=as_json)


def _training(plan: Mapping[str, Any], directory: str, model: str | None) -> fit.Training:
    recipe, begun = plan.get("recipe"), plan.get("call") or {}
    if not recipe:
        raise begun_in_python(directory)
    where = absolute(model) or begun.get("model")
    if where is None:
        raise click.UsageError("Missing option '--model': the run was begun without one.")
    train, test = described(recipe["dataset"], directory), begun.get("test")
    held_out = None if test is None else described(test, directory)
    return fit.Training(recipe["estimator"], recipe["parameters"], train, held_out, where)


def _work(begun: Mapping[str, Any]) -> run.Work:
    return run.Work(
        begun["job"],
        begun["values"],
        described(begun["dataset"], begun["job"]),
        begun["output"],
    )


def described(description: Mapping[str, Any] | None, directory: str) -> Dataset:
    """Return the dataset that a run's plan describes.

    Raises
    ------
    UsageError
        If it describes none: the run was begun in Python.
    """
    from mr.storage.dataset import Dataset

    if description is None:
        raise begun_in_python(directory)
    return Dataset.from_description(description)


def _as_begun(running: Running, recipe: Mapping[str, Any]) -> Running:
    """Take engine and workers from the recipe where the command line leaves them open."""
    source = click.get_current_context().get_parameter_source
    given = {
        field.name: recipe[field.name]
        for field in fields(running)
        if field.name in recipe and source(field.name) is click.core.ParameterSource.DEFAULT
    }
    return replace(running, **given)


def begun_in_python(directory: str) -> Exception:
    """Return the error for a run that the command line cannot make again."""
    from mr.errors import Place, UsageError

    return UsageError(
        "The run was begun in Python, with a job or data that only its script has",
        place=Place(file=directory),
        remedy=f"make the same call there again, with run={directory!r}",
    )
