"""``mr demo``: train on real data, then lose a worker on the way to the same model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mr.cli.models import metrics
from mr.cli.options import common_options, json_option
from mr.cli.output import result, say

if TYPE_CHECKING:
    from mr.cli.group import Call
    from mr.demo import Curve, Killed
    from mr.storage.dataset import Dataset

SEED = 7
L2 = 1e-4


@click.command("demo")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Where iris data, models and the picture are left.",
)
@click.option("--rows", type=click.IntRange(1000), default=1_000_000, show_default=True)
@json_option
@common_options
@click.pass_obj
def command(call: Call, *, directory: Path, rows: int, as_json: bool) -> None:
    """Train on real data, and lose a worker.

    First on iris; then on a million rows, undisturbed, and again while one of two
    worker processes is killed: the same model, bit for bit.
    """
    from mr import demo

    demo.check_installed()
    directory.mkdir(parents=True, exist_ok=True)
    cache, table = directory / "cache", directory / "rows.npy"
    try:
        with demo.own_cache(cache):
            figures = {"iris": _iris(directory)} | _rows(directory, table, rows)
    finally:  # large, and quickly made again; the rest stays to be looked at
        shutil.rmtree(cache, ignore_errors=True)
        table.unlink(missing_ok=True)
    figures |= {"directory": str(directory), "seconds": call.seconds}
    if as_json:
        result(figures, as_json=True)
    else:
        _summary(figures)
    if not figures["equal"] or figures["killed"] is None:
        raise click.exceptions.Exit(1)


def _iris(directory: Path) -> dict[str, Any]:
    from mr import demo
    from mr.registry import ESTIMATORS
    from mr.storage.dataset import Dataset

    path = directory / "iris.libsvm"
    flowers = demo.write_iris(path)
    say(f"1. Iris: {flowers} flowers of three species, written as libsvm to {path}.")
    train, test = Dataset(path).random_split([0.8, 0.2], seed=SEED)
    say("   Split 80/20; each flower's side depends on the seed and its place in the file alone.")
    say("   Training. (The first time on a machine, kernels are compiled: a few seconds.)")
    estimator = ESTIMATORS.load("logistic")(l2=0.01).fit(train)
    estimator.save(str(directory / "iris.model"))
    found = metrics(estimator.model_, test, {})
    fit = estimator.fit_
    say(f"   Trained on {fit.rows} flowers in {fit.passes} passes; {fit.status.value}.")
    say(f"   Of {found['rows']} flowers held out, {found['accuracy']:.1%} are told right.\n")
    return {"rows": fit.rows, "model_digest": estimator.model_.digest(), "metrics": found}


def _rows(directory: Path, table: Path, rows: int) -> dict[str, Any]:
    from mr import demo
    from mr.storage.dataset import Dataset

    say(f"2. {rows:,} rows of {demo.COLUMNS} columns, generated.")
    demo.write_rows(table, rows, SEED)
    dataset = Dataset(table, label="-1")
    say(f"   {table.stat().st_size / 1e6:.0f} MB, cut into {len(dataset.blocks)} blocks.\n")
    say("3. Training in this process alone, undisturbed.")
    inline, calm = _fit(dataset, directory / "inline.model", "inline", ())
    say("\n4. Training on two worker processes; in the middle of a task one gets kill -9.")
    killer = demo.Killer()
    processes, struck = _fit(dataset, directory / "processes.model", "processes", (killer,))
    if processes["fit_seconds"] > inline["fit_seconds"]:
        say("   At this size, starting processes takes longer than the work.")
    _tell_of(killer.killed, processes)
    equal = inline["model_digest"] == processes["model_digest"]
    picture = directory / "convergence.png"
    killed_in = killer.killed.attempt.task.pass_number if killer.killed else None
    demo.draw(picture, {"inline": calm, "2 processes, one killed": struck}, killed_in)
    return {
        "inline": inline,
        "processes": processes,
        "killed": _described(killer.killed),
        "equal": equal,
        "picture": str(picture),
    }


def _fit(
    dataset: Dataset, path: Path, engine: str, listeners: tuple[Any, ...]
) -> tuple[dict[str, Any], Curve]:
    from mr.demo import Curve
    from mr.registry import ESTIMATORS
    from mr.tally import Tally

    tally, curve = Tally(), Curve()
    estimator = ESTIMATORS.load("logistic")(l2=L2)
    estimator.fit(dataset, engine=engine, workers=2, listeners=(tally, curve, *listeners))
    estimator.save(str(path))
    fit, digest = estimator.fit_, estimator.model_.digest()
    say(f"   {fit.passes} passes in {fit.fit_seconds:.2f} s; {fit.status.value}.")
    say(f"   Model digest {digest}")
    figures = {
        "model": str(path),
        "model_digest": digest,
        "objective": fit.objective,
        "passes": fit.passes,
        "retries": tally.retries,
        "workers": tally.workers(),
        "fit_seconds": fit.fit_seconds,
    }
    return figures, curve


def _tell_of(killed: Killed | None, figures: Mapping[str, Any]) -> None:
    if killed is None:
        say("   No worker could be killed in the middle of a task: the tasks were too short.\n")
        return
    number = killed.attempt.task.pass_number
    say(f"   In pass {number}, {killed.worker} (process {killed.pid}) was killed at its task.")
    say("   That task went to another worker, and a new process was started in its place:")
    for worker in figures["workers"]:
        say(f"   {worker['worker']}, process {worker['pid']}: {worker['tasks']} tasks done")
    if len(figures["workers"]) < 3:
        say("   (The new one was still starting when the last pass ended.)")
    say()


def _described(killed: Killed | None) -> dict[str, Any] | None:
    if killed is None:
        return None
    return {"worker": killed.worker, "pid": killed.pid, "attempt": str(killed.attempt)}


def _summary(figures: Mapping[str, Any]) -> None:
    same = "the same model, bit for bit" if figures["equal"] else "DIFFERENT MODELS: a defect"
    rows = {
        "iris accuracy": figures["iris"]["metrics"]["accuracy"],
        "digest, undisturbed": figures["inline"]["model_digest"],
        "digest, worker killed": figures["processes"]["model_digest"],
        "so": same,
        "picture": figures["picture"],
        "seconds": round(figures["seconds"], 1),
    }
    result(rows, as_json=False)
