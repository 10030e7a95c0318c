"""``mr run JOB.py DATA``: a job of the user's own, one pass or driven by its solver."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from mr.cli.options import (
    Keeping,
    Reading,
    Running,
    common_options,
    data_argument,
    dataset_options,
    engine_options,
    json_option,
    ledger_options,
    only_block_option,
)
from mr.cli.output import result, say, shown
from mr.cli.paths import absolute, check_writable

if TYPE_CHECKING:
    from mr.cli.group import Call
    from mr.launch import Settings
    from mr.storage.dataset import Dataset

SMALL = 1000
"""Elements up to which an array is shown as a list."""


@dataclass(frozen=True)
class Work:
    """What is run, on what, and where arrays go.

    Parameters
    ----------
    job : str
        ``FILE.py`` or ``FILE.py:Name``.
    values : mapping
        Arguments of the job.
    dataset : Dataset
    output : str, optional
        An ``.npz`` file for the arrays of the result.
    """

    job: str
    values: Mapping[str, Any]
    dataset: Dataset
    output: str | None

    def call(self, running: Running) -> dict[str, Any]:
        """Return what makes the same call again, as JSON values."""
        return {
            "command": "run",
            "engine": running.engine,
            "workers": running.workers,
            "job": self.job,
            "values": dict(self.values),
            "dataset": self.dataset.describe(),
            "output": self.output,
        }


@click.command("run")
@click.argument("job", metavar="JOB.py[:Name]")
@data_argument
@click.option("--set", "texts", multiple=True, metavar="KEY=VALUE", help="Argument of the job.")
@click.option("-o", "--output", metavar="OUT.npz", help="Where arrays of the result go.")
@dataset_options
@engine_options
@ledger_options
@only_block_option
@json_option
@common_options
@click.pass_obj
def command(
    call: Call,
    *,
    job: str,
    data: tuple[str, ...],
    texts: tuple[str, ...],
    output: str | None,
    reading: Reading,
    running: Running,
    keeping: Keeping,
    only_block: int | None,
    as_json: bool,
) -> None:
    """Run a FoldJob of your own.

    With a method solver() it iterates, without one it makes one pass.
    """
    from mr.cli.jobfile import parse_settings

    check_writable(output)
    values = parse_settings(texts)
    work = Work(str(absolute(job)), values, reading.open(data), absolute(output))
    if only_block is not None:
        found = {"block": only_block, "result": _listed(one_block(work, only_block, keeping.run))}
        result(found, as_json=as_json)
    else:
        result(carry_out(work, running, keeping.settings(), call), as_json=as_json)


def carry_out(work: Work, running: Running, kept: Settings, call: Call) -> dict[str, Any]:
    """Run the job and return the figures; arrays that are not small go to a file."""
    with redirect_stdout(sys.stderr):  # whatever a job prints is no result of ours
        return _carry_out(work, running, kept, call)


def _carry_out(work: Work, running: Running, kept: Settings, call: Call) -> dict[str, Any]:
    from mr.cli.jobfile import load_job
    from mr.launch import fold, solve
    from mr.tally import Tally

    job, solver = load_job(work.job, work.values)
    if solver is None and kept.get("run") is not None:
        raise click.UsageError("--run is for jobs with a solver(); this one makes one pass.")
    tally = Tally()
    figures: dict[str, Any] = {"job": type(job).__name__}
    with shown(getattr(solver, "tol", None)) as progress:
        settings: Settings = {
            **running.settings(tally, progress),
            **kept,
            "call": work.call(running),
        }
        if solver is None:
            arrays = named_arrays(job.evaluate(fold(job, work.dataset, **settings), {}))
        else:
            outcome = solve(job, solver, work.dataset, **settings)
            arrays = named_arrays(outcome.state)
            figures |= {"status": outcome.status.value, "converged": outcome.status.converged}
            figures |= {"passes": outcome.passes, **outcome.report}
    figures["result"] = _listed(arrays)
    if work.output is not None:
        _save(work.output, arrays)
    return figures | {
        "output": work.output,
        "blocks": len(work.dataset.blocks),
        "retries": tally.retries,
        "workers": tally.workers(),
        "seconds": call.seconds,
    }


def one_block(work: Work, index: int, run: str | None) -> dict[str, Any]:
    """Map one block in this process: at the newest checkpoint of a run, else at the start."""
    from mr.cli.jobfile import load_job
    from mr.codec import decode_state
    from mr.config import Config
    from mr.ledger import RunDirectory
    from mr.storage.reader import Reader
    from mr.task import map_block

    job, solver = load_job(work.job, work.values)
    point: Any = {}
    if solver is not None:
        found = None if run is None else RunDirectory(run).newest()
        state = solver.init() if found is None else decode_state(solver.state_type, *found[1])
        point = solver.ask(state)
    reader = Reader(work.dataset.only(index), Config.from_environment().cache())
    return named_arrays(map_block(job, reader, 0, point))


def named_arrays(value: Any) -> dict[str, Any]:
    """Return the arrays of what a job ended with: a statistic, a mapping, a solver's state.

    Of a state with an ``x``, that is what was looked for.
    """
    from mr.statistic import Statistic

    if value is None:
        return {}
    if isinstance(value, Statistic):
        return dict(value.arrays())
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "x"):
        return {"x": value.x}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {"value": value}


def _listed(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return small arrays as they are, and of others what can be said on a line."""
    import numpy as np

    shown: dict[str, Any] = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.size <= SMALL:
            shown[name] = array
        else:
            shown[name] = {"shape": array.shape, "dtype": str(array.dtype)}
            say(f"{name} is too large to show; -o OUT.npz keeps it")
    return shown


def _save(url: str, arrays: Mapping[str, Any]) -> None:
    import io

    import numpy as np

    from mr.storage.atomic import write_bytes

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(url, buffer.getvalue())
