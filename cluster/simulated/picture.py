"""A picture of a plan: machines by time, one colour a pass, as dark as cores are busy."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.planning import Plan
from mr.storage.atomic import write_bytes

ROWS, COLUMNS = 200, 800
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def draw(plan: Plan, url: str) -> None:
    """Draw which machine was at work when, as PNG, SVG or PDF by the suffix.

    Of more than 200 machines, neighbours share a row.

    Parameters
    ----------
    plan : Plan
        With spans.
    url : str
        Where the picture goes.
    """
    # Without pyplot there is no global state, and no display is asked for.
    from matplotlib.figure import Figure

    image, end, machines = painted(plan)
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image, extent=(0, end, machines, 0), aspect="auto", interpolation="nearest")
    axes.set(xlabel="seconds", ylabel="machine", title=_title(plan))
    for number, one in enumerate(plan.passes):
        axes.plot([], [], "s", color=_COLOURS[number % len(_COLOURS)], label=one.purpose)
    if len(plan.passes) <= len(_COLOURS):
        axes.legend(loc="upper right", frameon=True)
    buffer = io.BytesIO()
    suffix = url.rpartition(".")[2].lower()
    figure.savefig(buffer, dpi=130, format=suffix if suffix in ("svg", "pdf") else "png")
    write_bytes(url, buffer.getvalue())


def painted(plan: Plan) -> tuple[NDArray[Any], float, int]:
    """Return an image of shape (rows, columns, 3), the time at its end, and the machines."""
    spans = np.array(plan.spans, float).reshape(-1, 4)
    machines = int(spans[:, 0].max()) + 1 if len(spans) else 1
    end = float(spans[:, 3].max()) if len(spans) else 1.0
    rows = min(ROWS, machines)
    image = np.ones((rows, COLUMNS, 3))
    for number in sorted(set(spans[:, 1].astype(int).tolist())):
        busy = _busy(spans[spans[:, 1] == number], rows, machines, end)
        share = np.sqrt(busy / max(busy.max(), 1e-12))[..., None]  # so that little is seen too
        colour = _rgb(_COLOURS[(number - 1) % len(_COLOURS)])
        image = image * (1 - share) + colour * share
    return image, end, machines


def _busy(spans: NDArray[Any], rows: int, machines: int, end: float) -> NDArray[Any]:
    """Return the attempts that run in each cell, on the average over its time."""
    row = (spans[:, 0] * rows / machines).astype(int)
    busy = np.zeros((rows, COLUMNS + 1))
    # A span adds up to its end and takes away up to its beginning: sums of ramps, differenced.
    for times, sign in ((spans[:, 3], 1.0), (spans[:, 2], -1.0)):
        place = np.clip(times / end * COLUMNS, 0, COLUMNS)
        cell = np.minimum(place.astype(int), COLUMNS - 1)
        np.add.at(busy, (row, cell), sign * (place - cell))
        whole = np.zeros((rows, COLUMNS + 1))
        np.add.at(whole, (row, cell), sign)
        busy += whole[:, ::-1].cumsum(axis=1)[:, ::-1] - whole
    return np.clip(busy[:, :COLUMNS], 0, None)


def _rgb(colour: str) -> NDArray[Any]:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _title(plan: Plan) -> str:
    slowest = plan.last.slowest
    return f"{plan.workers} workers: a round takes {plan.last.seconds:.3g} s ({slowest})"
