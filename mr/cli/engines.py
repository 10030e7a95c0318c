"""``mr engines``: what a run can run on."""

from __future__ import annotations

import click

from mr.cli.options import common_options, json_option
from mr.cli.output import result, table


@click.command("engines")
@json_option
@common_options
def command(*, as_json: bool) -> None:
    """List the engines; each gives the same model, bit for bit."""
    from mr.registry import ENGINES

    found = {"auto": "inline, threads or processes, by the size of the work"}
    found |= {name: entry.summary for name, entry in ENGINES.entries().items()}
    if as_json:
        listed = [{"name": name, "summary": summary} for name, summary in found.items()]
        result({"engines": listed}, as_json=True)
    else:
        table(found.items())
