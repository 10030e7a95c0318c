"""``mr fit ESTIMATOR DATA``: train a model, and say how well it does on what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mr.cli.models import metrics
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


@dataclass(frozen=True)
class Training:
    """What is fitted, on what, and where the model goes.

    Parameters
    ----------
    name : str
        The estimator's.
    parameters : mapping
        Its parameters.
    train : Dataset
    test : Dataset, optional
        What was held out.
    model : str, optional
        Where the model is written; None for one block alone.
    """

    name: str
    parameters: Mapping[str, Any]
    train: Dataset
    test: Dataset | None
    model: str | None

    def call(self) -> dict[str, Any]:
        """Return what a resumption needs beside the recipe, as JSON values."""
        held_out = None if self.test is None else self.test.describe()
        return {"command": "fit", "model": self.model, "test": held_out}


def carry_out(training: Training, running: Running, kept: Settings, call: Call) -> dict[str, Any]:
    """Fit, save, evaluate; return the figures.

    Parameters
    ----------
    training : Training
    running : Running
    kept : mapping
        Keywords that say where the run is kept.
    call : Call
    """
    from mr.registry import ESTIMATORS
    from mr.tally import Tally

    estimator = ESTIMATORS.load(training.name)(**training.parameters)
    tally = Tally()
    with shown(training.parameters.get("tol")) as progress:
        settings = {**running.settings(tally, progress), **kept, "call": training.call()}
        estimator.fit(training.train, **settings)
    if training.model is not None:
        estimator.save(training.model)
    figures = _figures(estimator, tally) | {"model": training.model}
    if training.test is not None:
        with shown() as progress:
            found = metrics(estimator.model_, training.test, running.settings(progress))
        figures["metrics"] = found
    return figures | {"seconds": call.seconds}


def _figures(estimator: Any, tally: Any) -> dict[str, Any]:
    fit = estimator.fit_
    return {
        "model_digest": estimator.model_.digest(),
        "objective": fit.objective,
        "iterations": fit.iterations,
        "passes": fit.passes,
        "status": fit.status.value,
        "converged": fit.status.converged,
        "rows": fit.rows,
        "blocks": fit.blocks,
        "engine": fit.engine,
        "skipped_records": fit.skipped_records,
        "skipped_blocks": fit.skipped_blocks,
        "skipped_share": fit.skipped_share,
        "retries": tally.retries,
        "workers": tally.workers(),
        "decode_seconds": fit.decode_seconds,
        "fit_seconds": fit.fit_seconds,
    }


class Estimators(click.Group):
    """A subcommand for each registered estimator, its options made from its parameters."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        from mr.registry import ESTIMATORS

        del ctx
        return sorted(ESTIMATORS.entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import an estimator and make its command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return _command_for(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the names without importing what is behind them."""
        from mr.registry import ESTIMATORS

        del ctx
        with formatter.section("Estimators"):
            formatter.write_dl(
                [(name, entry.summary) for name, entry in sorted(ESTIMATORS.entries().items())]
            )


@click.command("fit", cls=Estimators, subcommand_metavar="ESTIMATOR DATA...")
@common_options
def command() -> None:
    """Train a model.

    'mr fit ESTIMATOR --help' lists the parameters of an estimator.
    """


def _command_for(name: str) -> click.Command:
    from mr.cli.parameters import parameter_options
    from mr.registry import ESTIMATORS

    entry, estimator = ESTIMATORS.entries()[name], ESTIMATORS.load(name)
    made = parameter_options(estimator)

    @click.command(name, help=f"Train by {entry.summary}.")
    @data_argument
    @click.option("--model", "-o", metavar="OUT", help="Where the model is written.")
    @click.option(
        "--test-fraction",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Share of the records that is held out and evaluated.",
    )
    @click.option("--seed", type=int, default=0, show_default=True, help="Of the split.")
    @dataset_options
    @engine_options
    @ledger_options
    @only_block_option
    @json_option
    @common_options
    @click.pass_obj
    def fit(
        call: Call,
        /,
        *,
        data: tuple[str, ...],
        model: str | None,
        test_fraction: float | None,
        seed: int,
        reading: Reading,
        running: Running,
        keeping: Keeping,
        only_block: int | None,
        as_json: bool,
        **parameters: Any,
    ) -> None:
        if model is None and only_block is None:
            raise click.UsageError("Missing option '--model'.")
        check_writable(model)
        train, test = split(reading.open(data), test_fraction, seed)
        if only_block is not None:
            _one_block(Training(name, parameters, train.only(only_block), None, None), call)
            return
        training = Training(name, parameters, train, test, absolute(model))
        result(carry_out(training, running, keeping.settings(), call), as_json=as_json)

    fit.params[2:2] = made
    return fit


def split(dataset: Dataset, fraction: float | None, seed: int) -> tuple[Dataset, Dataset | None]:
    """Return what is trained on, and what is held out."""
    if fraction is None:
        return dataset, None
    train, test = dataset.random_split([1.0 - fraction, fraction], seed)
    return train, test


def _one_block(training: Training, call: Call) -> None:
    alone = Running(engine="inline", workers=1, faults=None, task_timeout=None)
    carry_out(training, alone, {}, call)
    say("The block alone did not fail; no model was written.")
