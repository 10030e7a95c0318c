"""Predictions written by the workers, a file a block, as an output that appears at once.

Two passes: one counts each block's records and finds what kind their ids are, and leaves the
margins in the cache; the next writes. The parts depend on blocks alone, so that any number of
workers writes the same files.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.model import LinearClassifier
from mr.algorithms.predictions import Predictions, counted, table_of
from mr.algorithms.scores import scores, shown
from mr.errors import EmptyDataset
from mr.job import FoldJob
from mr.launch import Settings, launch
from mr.session import RunOptions, Session
from mr.solver import Point
from mr.statistic import Statistic
from mr.storage import commit
from mr.storage.export import WRITERS, gathered
from mr.storage.output import Output
from mr.storage.reader import BlockView
from mr.storage.success import File

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]


class Listed(Statistic):
    """One entry for each block, in the order of the blocks.

    Parameters
    ----------
    **arrays : array-like
        Named columns, each with the entries along its first axis.
    """

    def __init__(self, **arrays: Any) -> None:
        self._arrays = {name: np.asarray(value) for name, value in arrays.items()}

    def __getitem__(self, name: str) -> Array:
        """Return one column."""
        return self._arrays[name]

    def arrays(self) -> Mapping[str, Array]:
        """Return the columns by name."""
        return self._arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Return the list of these columns."""
        return cls(**arrays)

    def merge(self, other: Self) -> Self:
        """Append the later entries."""
        mine = self._arrays.items()
        return type(self)(**{name: np.concatenate([held, other[name]]) for name, held in mine})


class CountRecords(FoldJob):
    """Applies a model to each block, and lists how many records it has and what ids they carry.

    Parameters
    ----------
    model : LinearClassifier
        `arranged` for the dataset that the job is run on.
    """

    statistic = Listed
    releases_lock = True

    def __init__(self, model: LinearClassifier) -> None:
        self.model = model

    def map(self, block: BlockView, point: Point) -> Listed | None:
        """Apply the model to one block; what comes of it stays in the cache."""
        del point
        rows, kinds = counted(block, self.model)
        return Listed(block=[block.index], rows=[rows], ids=[kinds]) if rows else None


class WriteParts(FoldJob):
    """Writes the predictions of each block as an attempt at a part of an output.

    The attempt is named by the bytes that it wrote. So attempts at a block that agree are
    one, and report the same; any that differ are found out by their reports.

    Parameters
    ----------
    model : LinearClassifier
    output : Output
    format : {"parquet", "csv", "jsonl"}
    schema : pyarrow.Schema
        Of the predictions.
    starts : mapping of int to int
        The number of each block's first record.
    blocks : int
        In the dataset: so many names sort in the order of the blocks.
    """

    statistic = Listed
    releases_lock = True

    def __init__(
        self,
        model: LinearClassifier,
        output: Output,
        format: str,  # noqa: A002 - the word that users know
        schema: pa.Schema,
        starts: Mapping[int, int],
        *,
        blocks: int,
    ) -> None:
        self.model = model
        self.output = output
        self.format = format
        self.schema = schema
        self.starts = starts
        self.digits = max(5, len(str(blocks - 1)))

    def map(self, block: BlockView, point: Point) -> Listed | None:
        """Write one block's predictions."""
        del point
        found = scores(block, self.model)
        if found.rows == 0:
            return None
        classes = shown(self.model.classes)
        table = table_of(found, classes, self.schema, self.starts[block.index])
        buffer = io.BytesIO()
        WRITERS[self.format](buffer, self.schema, gathered([table]))
        data = buffer.getvalue()
        name, digest = self.name(block.index), File.of("", data).sha256
        attempt = attempt_of(block.index, digest)
        part = commit.write_part(self.output, attempt, name, data)
        commit.commit_task(self.output, attempt, [part])
        sha256 = np.frombuffer(bytes.fromhex(digest), np.uint8)
        return Listed(block=[block.index], size=[part.size], sha256=[sha256])

    def name(self, block: int) -> str:
        """Return the name of a block's part; readers take parts in the order of their names."""
        return f"part-{block:0{self.digits}d}.{self.format}"

    def manifests(self, written: Listed) -> list[commit.Manifest]:
        """Return the lists of the attempts that were accepted, from what they reported."""
        columns = (written["block"].tolist(), written["size"].tolist(), written["sha256"])
        found = []
        for block, size, sha256 in zip(*columns, strict=True):
            file = File(self.name(block), size, sha256.tobytes().hex())
            found.append(commit.Manifest(attempt_of(block, file.sha256), (file,)))
        return found


def attempt_of(block: int, digest: str) -> str:
    """Return the name of the attempts at a block that wrote these bytes."""
    return f"b{block}-{digest[:16]}"


def write_parts(
    predictions: Predictions,
    url: str,
    format: str,  # noqa: A002 - the word that users know
    settings: Settings,
    *,
    overwrite: bool,
) -> int:
    """Write all predictions to a directory: its parts on the workers, at once for its readers.

    Returns
    -------
    int
        Number of records.

    Raises
    ------
    UsageError
        If there is an output that may not be replaced.
    EmptyDataset
        If there are no records.
    StorageError
        If a part cannot be written; nothing is seen of the output then.
    """
    output = Output.at(url)
    commit.prepare(output, overwrite=overwrite)
    dataset, model = predictions.dataset, predictions.model
    identity = {
        "job": "predictions in parts",
        "dataset": dataset.digest(),
        "model": model.digest(),
        "output": [output.url, format],
    }
    try:
        options = RunOptions(**settings)
        with launch(dataset, options, identity, releases_lock=True) as session:
            rows, job, written = _write(predictions, session, output, format)
        commit.commit_job(output, job.manifests(written), overwrite=overwrite)
    except BaseException:
        commit.abort(output)
        raise
    return rows


def _write(
    predictions: Predictions,
    session: Session,
    output: Output,
    format: str,  # noqa: A002 - the word that users know
) -> tuple[int, WriteParts, Listed]:
    dataset, model = predictions.dataset, predictions.model
    counted = session.run_pass(CountRecords(model), dataset, purpose="predict")
    if not isinstance(counted, Listed):
        raise EmptyDataset(
            "There are no records to predict",
            place=dataset.where,
            remedy="check the file, or the share that was selected",
        )
    rows = counted["rows"]
    starts = dict(zip(counted["block"].tolist(), (rows.cumsum() - rows).tolist(), strict=True))
    schema = predictions.schema_of(np.asarray(counted["ids"].any(axis=0)))
    job = WriteParts(model, output, format, schema, starts, blocks=len(dataset.blocks))
    written = session.run_pass(job, dataset, purpose="write")
    if not isinstance(written, Listed) or len(written["block"]) != len(starts):
        count = len(written["block"]) if isinstance(written, Listed) else 0
        raise predictions.changed(f"{len(starts)} blocks with records became {count}")
    return int(rows.sum()), job, written
