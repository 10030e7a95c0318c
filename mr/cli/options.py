"""Options that commands share, gathered into one value for each concern."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mr.cli.group import Call
    from mr.launch import Settings
    from mr.session import Listener
    from mr.storage.dataset import Dataset

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]


@dataclass(frozen=True, slots=True)
class Reading:
    """How data is to be read: what `Dataset` takes."""

    format: str | None
    label: str | None
    weight: str | None
    id: str | None
    features: int | None
    zero_based: bool
    dtype: str
    label_type: str
    on_bad_record: str
    block_size: str | None

    def open(self, data: tuple[str, ...]) -> Dataset:
        """Make a dataset of what was named on the command line."""
        from mr.config import parse_size
        from mr.storage.dataset import Dataset

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.block_size is not None:
            values["block_size"] = parse_size(self.block_size)
        return Dataset(data[0] if len(data) == 1 else list(data), **values)


@dataclass(frozen=True, slots=True)
class Running:
    """Where work is to run: what every run takes."""

    engine: str
    workers: int | None
    faults: str | None
    task_timeout: float | None
    on_bad_block: str = "fail"

    def settings(self, *listeners: Listener) -> Settings:
        """Return the keywords of a run."""
        return {
            "engine": self.engine,
            "workers": self.workers,
            "faults": self.faults,
            "task_timeout": self.task_timeout,
            "on_bad_block": self.on_bad_block,
            "listeners": listeners,
        }


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether a run is kept so that it can be resumed."""

    run: str | None
    checkpoint_interval: float

    def settings(self) -> Settings:
        """Return the keywords of a run."""
        return {"run": self.run, "checkpoint_interval": self.checkpoint_interval}


_READING = (
    click.option("--format", metavar="NAME", help="Of the data; by default told by the suffix."),
    click.option("--label", metavar="COLUMN", help="Column of the label."),
    click.option("--weight", metavar="COLUMN", help="Column of the weight of each record."),
    click.option("--id", metavar="COLUMN", help="Column that identifies a record."),
    click.option("--features", type=click.IntRange(1), help="Width of the feature space."),
    click.option("--zero-based", is_flag=True, help="Libsvm: columns count from 0."),
    click.option(
        "--dtype",
        type=click.Choice(["float64", "float32"]),
        default="float64",
        help="What text is decoded to.",
    ),
    click.option(
        "--label-type",
        type=click.Choice(["auto", "number", "string"]),
        default="auto",
        help="What labels are.",
    ),
    click.option(
        "--on-bad-record",
        default="fail",
        metavar="fail|skip:MAX",
        help="Leave out up to so many malformed records of text.",
    ),
    click.option("--block-size", metavar="SIZE", help="Such as 16MB; by default by data size."),
)

_RUNNING = (
    click.option(
        "--engine", default="auto", show_default=True, metavar="NAME", help="See 'mr engines'."
    ),
    click.option("--workers", type=int, help="By default the number of processors."),
    click.option("--faults", metavar="SEED[:RATE]", help="Inject seeded faults."),
    click.option("--task-timeout", type=float, metavar="SECONDS", help="Of one attempt."),
    click.option(
        "--on-bad-block",
        default="fail",
        metavar="fail|skip:MAX",
        help="Leave out up to so many blocks that cannot be read as data.",
    ),
)


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del parameter
    context.obj.run = value
    return value


_KEEPING = (
    click.option(
        "--run",
        metavar="DIR",
        callback=_keep,
        help="Keep the run here, so that it can be resumed; a run found here goes on.",
    ),
    click.option(
        "--checkpoint-interval",
        type=click.FloatRange(0),
        default=1.0,
        metavar="SECONDS",
        help="Between checkpoints of --run; 0: after every pass.",
    ),
)


def gathered(name: str, kind: type[Any], options: tuple[Decorator[Any], ...]) -> Decorator[Any]:
    """Return a decorator that adds options and passes their values as one argument."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def call(*arguments: Any, **values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return function(*arguments, **values, **{name: kind(**own)})

        for option in reversed(options):
            option(call)
        return call

    return decorate


dataset_options = gathered("reading", Reading, _READING)
engine_options = gathered("running", Running, _RUNNING)
ledger_options = gathered("keeping", Keeping, _KEEPING)

data_argument = click.argument("data", nargs=-1, required=True)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object as the last line of output."
)


def _repeatable(
    context: click.Context, parameter: click.Parameter, value: int | None
) -> int | None:
    del parameter
    context.obj.repeatable = True
    return value


only_block_option = click.option(
    "--only-block",
    type=click.IntRange(0),
    metavar="N",
    callback=_repeatable,
    help="Do this block alone, in this process, to look at a failure.",
)


def _verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    del parameter
    call: Call = context.obj
    if value:
        call.verbose = True
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


_verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_verbose,
    help="Show the log, and tracebacks of failures.",
)


def common_options(function: F) -> F:
    """Add what every command takes."""
    return _verbose_option(function)
