"""``mr predict MODEL DATA -o OUT``: predictions for each record, in the order of the input."""

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
from mr.cli.paths import check_writable

if TYPE_CHECKING:
    from mr.cli.group import Call


@click.command("predict")
@click.argument("model")
@data_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    help="A .parquet, .csv or .jsonl file; with a / at its end, a directory of such files.",
)
@click.option("--output-format", metavar="NAME", help="By default told by the suffix of OUT.")
@click.option("--overwrite", is_flag=True, help="Replace a directory that is there, as a whole.")
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
    output: str,
    output_format: str | None,
    overwrite: bool,
    reading: Reading,
    running: Running,
    as_json: bool,
) -> None:
    """Predict the records of a dataset, in their order.

    A column that --id names is carried through.
    """
    from mr.tally import Tally

    if not output.endswith("/"):
        check_writable(output)
    loaded = models.load(model)
    dataset = reading.open(data)
    tally = Tally()
    with shown() as progress:
        written = models.predictions(loaded, dataset)
        settings = running.settings(tally, progress)
        rows = written.write(output, output_format, overwrite=overwrite, **settings)
    figures = {
        "output": output,
        "rows": rows,
        "model_digest": loaded.digest(),
        "blocks": len(dataset.blocks),
        "retries": tally.retries,
        "workers": tally.workers(),
        "seconds": call.seconds,
    }
    result(figures, as_json=as_json)
