"""`Predictions`: classes and probabilities of a dataset's records, computed when asked for.

The columns, in the order of the input:

======================  ====================================================================
the id column's name    the user's own key, where the dataset has one; else ``row``, the
                        running number of the record, from 0
``prediction``          the likeliest class, as a number or a string
``probability_<class>`` one for each class, also of two: the name says whose probability it
                        is, and a table reads the same for two classes as for ten
======================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.model import LinearClassifier
from mr.algorithms.scores import Scores, arranged, predicted, probabilities, scores, shown
from mr.config import Config
from mr.errors import EmptyDataset, StorageError, UsageError
from mr.job import FoldJob
from mr.launch import Settings, fold
from mr.solver import Point
from mr.statistic import Sums
from mr.storage.dataset import Dataset
from mr.storage.reader import BlockView, Reader
from mr.storage.source import FileSource

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]

KINDS = "ifU"
"""Kinds of ids, each of which can hold those before it."""


def counted(block: BlockView, model: LinearClassifier) -> tuple[int, list[bool]]:
    """Apply a model to a block; return its number of records, and which of `KINDS` its ids are.

    What comes of it stays in the cache.
    """
    found = scores(block, model)
    return found.rows, [found.ids is not None and found.ids.dtype.kind == kind for kind in KINDS]


class PredictJob(FoldJob):
    """Applies a model to each block; what comes of it stays in the cache.

    The statistic counts records, and their ids by kind: integers, floats, strings.

    Parameters
    ----------
    model : LinearClassifier
        `arranged` for the dataset that the job is run on.
    """

    releases_lock = True

    def __init__(self, model: LinearClassifier) -> None:
        self.model = model

    def map(self, block: BlockView, point: Point) -> Sums | None:
        """Apply the model to one block."""
        del point
        rows, kinds = counted(block, self.model)
        return Sums(rows=rows, ids=np.array(kinds) * rows) if rows else None


class Predictions:
    """The predictions of a model for the selected records of a dataset, in input order.

    Nothing is computed before it is asked for, and then block by block.

    Parameters
    ----------
    model : LinearClassifier
    dataset : Dataset
        Columns are matched with the model's by name where both have names, whatever their
        order, else by position. Sparse data may be narrower than the model.

    Raises
    ------
    SchemaMismatch
        If the data has other columns than the model.
    UsageError
        If a coefficient is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from mr import Dataset
    >>> from mr.algorithms import LogisticRegression
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["no", "no", "yes", "yes"])
    >>> model = LogisticRegression(l2=0.1).fit(Dataset.from_arrays(X, y))
    >>> table = model.transform(Dataset.from_arrays(X[2:], id=["a", "b"])).to_arrow()
    >>> table.column_names
    ['id', 'prediction', 'probability_no', 'probability_yes']
    >>> table["prediction"].to_pylist()
    ['yes', 'yes']
    """

    def __init__(self, model: LinearClassifier, dataset: Dataset) -> None:
        if not (np.isfinite(model.coefficients).all() and np.isfinite(model.intercepts).all()):
            raise UsageError(
                "The model has coefficients that are not finite numbers",
                cause="its fit diverged",
                remedy="look for huge values in the data it was fitted on, or add some l2",
            )
        self.dataset = dataset
        self.model = arranged(model, dataset)

    def job(self) -> PredictJob:
        """Return the job whose one pass computes the predictions of all blocks."""
        return PredictJob(self.model)

    def to_arrow(self, **settings: Unpack[Settings]) -> pa.Table:
        """Return all predictions as a table in memory; ``.to_pandas()`` makes a frame of it.

        Parameters
        ----------
        **settings
            Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, …

        Raises
        ------
        MissingValues, SchemaMismatch, EmptyDataset
            If the data does not suit the model.
        """
        import pyarrow as pa

        schema, rows = self._compute(settings)
        return pa.concat_tables(self._tables(schema, rows))

    def write(
        self,
        url: str,
        format: str | None = None,  # noqa: A002 - the word that users know
        *,
        overwrite: bool = False,
        **settings: Unpack[Settings],
    ) -> int:
        """Write all predictions: whole or not at all, in bounded memory.

        Parameters
        ----------
        url : str
            Path or URL on any storage. A file of that name is replaced. Where it ends in
            ``/``, a directory: the workers write its files, one for each block in their
            order, and it appears with all of them, and a ``_SUCCESS`` that lists them.
        format : {"parquet", "csv", "jsonl"}, optional
            By default told by the suffix; of the files of a directory, Parquet.
        overwrite : bool
            Replace a directory that is there, once the new one is ready.
        **settings
            Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, …

        Returns
        -------
        int
            Number of records.

        Raises
        ------
        UsageError
            If the format is not known, nothing can be written there, or a directory that
            is there may not be replaced.
        MissingValues, SchemaMismatch, EmptyDataset
            If the data does not suit the model.
        StorageError
            If the file cannot be written.
        """
        from mr.storage.export import target_format, write_tables

        if url.endswith("/"):
            from mr.algorithms.prediction_parts import write_parts

            kind = target_format(url, format or "parquet")
            return write_parts(self, url, kind, settings, overwrite=overwrite)
        kind = target_format(url, format)  # refused before anything is computed
        schema, rows = self._compute(settings)
        write_tables(url, kind, schema, self._tables(schema, rows))
        return rows

    def _compute(self, settings: Settings) -> tuple[pa.Schema, int]:
        """Make the pass, and return the columns and the number of the predictions."""
        total = fold(self.job(), self.dataset, **settings)
        if not isinstance(total, Sums):
            raise EmptyDataset(
                "There are no records to predict",
                place=self.dataset.where,
                remedy="check the file, or the share that was selected",
            )
        return self.schema_of(total["ids"]), int(total["rows"])

    def schema_of(self, kinds: Array) -> pa.Schema:
        """Return the columns of the predictions, given which of `KINDS` the ids are of."""
        import pyarrow as pa

        classes = shown(self.model.classes)
        key: tuple[str, pa.DataType] = ("row", pa.int64())
        if kinds.any():
            # Ids of a block are integers only where none is missing: the widest kind holds all.
            widest = int(np.flatnonzero(kinds)[-1])
            key = (_id_name(self.dataset), (pa.int64(), pa.float64(), pa.string())[widest])
        fields = [key, ("prediction", pa.array(classes).type)]
        fields += [(f"probability_{name}", pa.float64()) for name in classes.tolist()]
        if key[0] in {name for name, _ in fields[1:]}:
            raise UsageError(
                f"The id column is called {key[0]!r}, as is a column of the predictions",
                remedy="rename it",
            )
        return pa.schema(fields)

    def _tables(self, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
        """Yield the blocks' predictions in order; what the cache has lost is computed again."""
        done = 0
        for block in Reader(self.dataset, Config.from_environment().cache()):
            found = scores(block, self.model)
            if found.rows:
                yield table_of(found, shown(self.model.classes), schema, done)
            done += found.rows
        if done != rows:
            raise self.changed(f"{rows} records became {done}")

    def changed(self, what: str) -> StorageError:
        """Return the error for data that is not the same when it is read again."""
        return StorageError(
            what,
            place=self.dataset.where,
            cause="the data changed while it was read",
            remedy="start again once nothing writes to it",
        )

    def __repr__(self) -> str:
        """Show what is predicted, without computing it."""
        return f"Predictions({len(self.model.classes)} classes, {self.dataset!r})"


def table_of(found: Scores, classes: Array, schema: pa.Schema, start: int) -> pa.Table:
    """Return the predictions of a block whose first record has the number ``start``."""
    import pyarrow as pa

    numbers = np.arange(start, start + found.rows)
    key = pa.array(numbers if found.ids is None else found.ids, from_pandas=True)
    likeliest = pa.array(classes).take(pa.array(predicted(found.margins)))
    chances = [pa.array(column) for column in probabilities(found.margins).T.copy()]
    return pa.table([key.cast(schema.field(0).type), likeliest, *chances], schema=schema)


def _id_name(dataset: Dataset) -> str:
    named = dataset.source.options.id if isinstance(dataset.source, FileSource) else None
    return named or "id"
