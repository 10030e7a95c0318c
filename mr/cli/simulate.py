"""``mr simulate RUN --machines …``: the passes of a run again, on another cluster."""

from __future__ import annotations

import click

from mr.cli.options import common_options, json_option
from mr.cli.output import say
from mr.cli.plan import Cluster, cluster_options, show


@click.command("simulate")
@click.argument("directory", metavar="RUN")
@cluster_options
@json_option
@common_options
def command(*, directory: str, cluster: Cluster, as_json: bool) -> None:
    """Say what a run would have taken on another cluster.

    RUN is a run's directory. Each pass that its events tell of is simulated, each block at the
    rate at which the run mapped it.
    """
    from mr.errors import Place, UsageError
    from mr.history import events
    from mr.measure import told_samples
    from mr.plan import read_plan
    from mr.planning import retold
    from mr.registry import PLANNERS
    from mr.storage.dataset import Dataset

    directory = directory.rstrip("/")
    plan = read_plan(directory)
    recipe = plan.get("recipe") or plan.get("call") or {}
    description = recipe.get("dataset")
    blocks = () if description is None else Dataset.from_description(description).blocks
    samples = told_samples(events(directory), blocks)
    if not samples:
        raise UsageError(
            "The run's events tell of no attempt that returned", place=Place(directory)
        )
    if not blocks:
        say("The run's data is not described: each block counts as one byte.")
    count = max(span.high for sample in samples for span in sample.spans)
    cut = tuple(block.nbytes for block in blocks) or (1,) * count
    found = PLANNERS.load("repredict")(
        retold(samples), cut, cluster.text(), picture=cluster.picture is not None
    )
    show(found, cluster, {"blocks": len(cut), "data_bytes": sum(cut)}, as_json=as_json)
