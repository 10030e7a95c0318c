"""``mr plan JOB DATA --machines 1000 …``: measured on a few blocks here, simulated on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mr.cli.options import (
    Reading,
    common_options,
    data_argument,
    dataset_options,
    gathered,
    json_option,
)
from mr.cli.output import result, say

if TYPE_CHECKING:
    from mr.measure import Gauge
    from mr.planning import Plan
    from mr.storage.dataset import Dataset

ROUNDS = 20
"""Rounds of a run whose number nobody has said."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that is asked after, and what to say of it."""

    machines: int
    cores: int
    racks: int
    network: str
    disk: str
    memory: str
    price: float | None
    failures: float | None
    picture: str | None

    def text(self) -> str:
        """Return the options of a virtual cluster."""
        names = ("machines", "cores", "racks", "network", "disk", "memory")
        return ",".join(f"{name}={getattr(self, name)}" for name in names)


cluster_options = gathered(
    "cluster",
    Cluster,
    (
        click.option("--machines", type=click.IntRange(1), default=10, show_default=True),
        click.option("--cores", type=click.IntRange(1), default=4, show_default=True),
        click.option("--racks", type=click.IntRange(1), default=1, show_default=True),
        click.option("--network", default="10Gbit", show_default=True, help="Of each machine."),
        click.option("--disk", default="500MB", show_default=True, help="A second, of a machine."),
        click.option("--memory", default="16GB", show_default=True, help="Of a machine."),
        click.option("--price", type=click.FloatRange(0), help="Of a core for an hour."),
        click.option("--failures", type=click.FloatRange(0), help="Machines lost, of each a day."),
        click.option("--picture", metavar="FILE", help="Draw tasks over time."),
    ),
)


@click.command("plan")
@click.argument("job", metavar="ESTIMATOR|JOB.py[:Name]")
@data_argument
@click.option("--set", "texts", multiple=True, metavar="KEY=VALUE", help="Argument of the job.")
@cluster_options
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Plan for so many times the data.",
)
@click.option(
    "--passes",
    type=click.IntRange(1),
    default=ROUNDS,
    show_default=True,
    help="Rounds until the solver is done.",
)
@click.option(
    "--measure", type=click.IntRange(1), default=4, show_default=True, help="Blocks to measure on."
)
@dataset_options
@json_option
@common_options
def command(
    *,
    job: str,
    data: tuple[str, ...],
    texts: tuple[str, ...],
    cluster: Cluster,
    scale: float,
    passes: int,
    measure: int,
    reading: Reading,
    as_json: bool,
) -> None:
    """Say what a run would take on a cluster.

    A few blocks of the data are decoded and mapped here; the rest is simulated with what
    that took. docs/simulation.md says by which formulas.
    """
    from mr.cli.jobfile import parse_settings
    from mr.measure import measure as measured
    from mr.measure import resident
    from mr.planning import costs, sizes
    from mr.registry import PLANNERS

    dataset = reading.open(data)
    say(f"Measuring on {min(measure, len(dataset.blocks))} of {len(dataset.blocks)} blocks …")
    samples = measured(dataset, caller(job, parse_settings(texts)), measure)
    cost = costs(samples)
    cut = sizes(
        dataset.source.nbytes, scale, None if reading.block_size is None else dataset.block_size
    )
    say(f"Simulating {cluster.machines} machines of {cluster.cores} cores, {len(cut)} blocks …")
    plan = PLANNERS.load("predict")(
        cost,
        cut,
        cluster.text(),
        rounds=passes,
        base=resident(),
        failures=cluster.failures is not None,
        picture=cluster.picture is not None,
    )
    show(plan, cluster, {"blocks": len(cut), "data_bytes": sum(cut)}, as_json=as_json)


def caller(job: str, values: Mapping[str, Any]) -> Callable[[Dataset, Gauge], object]:
    """Return what makes a call of an estimator, or of a job of a file, under a gauge."""
    from mr.cli.jobfile import load_job
    from mr.launch import Settings, fold, solve
    from mr.registry import ESTIMATORS

    def settings(gauge: Gauge) -> Settings:
        return {"engine": "inline", "listeners": (gauge,), "observer": gauge.observe}

    if not (job.endswith(".py") or ".py:" in job):
        estimator = ESTIMATORS.load(job)(**values)
        return lambda dataset, gauge: estimator.fit(dataset, **settings(gauge))
    made, solver = load_job(job, values)
    if solver is None:
        return lambda dataset, gauge: fold(made, dataset, **settings(gauge))
    return lambda dataset, gauge: solve(made, solver, dataset, **settings(gauge))


def show(plan: Plan, cluster: Cluster, about: Mapping[str, Any], *, as_json: bool) -> None:
    """Write a plan's figures, and its picture if one is asked for."""
    from mr.registry import PLANNERS

    if cluster.picture is not None:
        PLANNERS.load("draw")(plan, cluster.picture)
    figures = {**about, **_figures(plan, cluster), "picture": cluster.picture}
    result(figures if as_json else readable(figures), as_json=as_json)


def _figures(plan: Plan, cluster: Cluster) -> dict[str, Any]:
    last = plan.last
    figures: dict[str, Any] = {
        "workers": plan.workers,
        "rounds": plan.rounds,
        "total_seconds": plan.seconds,
        "seconds_per_round": last.seconds,
        "preparation_seconds": sum(one.seconds for one in plan.passes[:-1]),
        "slowest": last.slowest,
        "use": dict(last.use),
        "slowest_in_preparation": max(plan.passes, key=lambda one: one.seconds).slowest,
        "network_bytes": plan.total("network_bytes"),
        "disk_bytes": plan.total("disk_bytes"),
        "memory_bytes_per_worker": plan.memory_per_worker,
        "cached_bytes_per_machine": plan.memory_per_machine,
        "passes": [{"purpose": one.purpose, "seconds": one.seconds} for one in plan.passes],
    }
    total = plan.seconds
    if cluster.failures is not None:
        total = plan.with_failures(cluster.machines, cluster.failures)
        figures["failures_expected"] = cluster.machines * cluster.failures * plan.seconds / 86400
        figures["seconds_each_failure_adds"] = plan.failure_seconds
        figures["seconds_failures_add"] = total - plan.seconds
    if cluster.price is not None:
        figures["cost"] = plan.cost(cluster.price, total)
    return figures


def readable(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as people read them: sizes in powers of 1024, shares in per cent."""

    def text(name: str, value: Any) -> Any:
        if value is not None and "bytes" in name:
            return _size(value)
        return value

    shown = {name.replace("_bytes", ""): text(name, value) for name, value in figures.items()}
    shown["use"] = {name: f"{share:.0%}" for name, share in figures["use"].items()}
    return shown


def _size(nbytes: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if nbytes < 1024:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.3g} PB"
