"""``mr evaluate MODEL DATA``: how well a model does on labelled data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mr.cli import models
from mr.cli.options import (
    Reading,
    Running,
    common_options,
    data_argument,
    dataset_options,
    engine_options,
    json_option,
)
from mr.cli.output import result, shown

if TYPE_CHECKING:
    from mr.cli.group import Call


@click.command("evaluate")
@click.argument("model")
@data_argument
@click.option(
    "--evaluator",
    type=click.Choice(["auto", "binary", "multiclass"]),
    default="auto",
    help="By default by the number of classes.",
)
@dataset_options
@engine_options
@json_option
@common_options
@click.pass_obj
def command(
    call: Call,
    *,
    model: str,
    data: tuple[str, ...],
    evaluator: str,
    reading: Reading,
    running: Running,
    as_json: bool,
) -> None:
    """Evaluate a model on labelled data."""
    from mr.tally import Tally

    loaded = models.load(model)
    dataset = reading.open(data)
    tally = Tally()
    with shown() as progress:
        found = models.metrics(loaded, dataset, running.settings(tally, progress), evaluator)
    figures = {
        "metrics": found,
        "model_digest": loaded.digest(),
        "blocks": len(dataset.blocks),
        "retries": tally.retries,
        "workers": tally.workers(),
        "seconds": call.seconds,
    }
    result(figures, as_json=as_json)
