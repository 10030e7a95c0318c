"""Tables written piece by piece as Parquet, CSV or JSON lines: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mr.storage.atomic import check_writable, replacing
from mr.storage.errors import Place, UsageError
from mr.storage.formats import SUFFIXES

ROWS = 1 << 16
"""Rows gathered before they are written: a row group of Parquet."""

Write = Callable[[IO[bytes], pa.Schema, Iterator[pa.Table]], None]


def target_format(uri: str, name: str | None = None) -> str:
    """Return the format in which a file is to be written; a storage that cannot be is refused.

    Parameters
    ----------
    uri : str
        Path or URL of the file.
    name : {"parquet", "csv", "jsonl"}, optional
        By default told by the suffix.

    Raises
    ------
    UsageError
        If there is no such format, the suffix means none, or nothing can be written there.
    """
    suffix = PurePosixPath(uri.lower()).suffix
    found = name or SUFFIXES.get(suffix)
    if found not in WRITERS or (name is None and suffix == ".tsv"):
        what = f"There is no format {name!r} to write" if name else "The suffix says no format"
        raise UsageError(
            what,
            place=Place(file=uri),
            remedy=f"end the name in .parquet, .csv or .jsonl, or pass format=, one of "
            f"{', '.join(WRITERS)}",
        )
    check_writable(uri)
    return found


def write_tables(uri: str, kind: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables one after the other to a file that readers see whole or not at all.

    Parameters
    ----------
    uri : str
        Path or URL; a file of that name is replaced.
    kind : {"parquet", "csv", "jsonl"}
    schema : pyarrow.Schema
        Of each of the tables.
    tables : iterable of pyarrow.Table
        No more than `ROWS` rows and one table are held at a time.

    Raises
    ------
    StorageError
        If it cannot be written; nothing is left behind then.
    """
    with replacing(uri) as file:
        WRITERS[kind](file, schema, gathered(tables))


def gathered(tables: Iterable[pa.Table], rows: int = ROWS) -> Iterator[pa.Table]:
    """Yield the same rows in tables of exactly ``rows``, but for the last: small blocks come many.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Of one schema.
    rows : int
        At least 1.
    """
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count < rows:
            continue
        joined = pa.concat_tables(waiting)
        whole = count - count % rows
        yield from (joined.slice(start, rows) for start in range(0, whole, rows))
        waiting, count = [joined.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting)


def _parquet(file: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=table.num_rows)


def _csv(file: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with pyarrow.csv.CSVWriter(file, schema) as writer:
        for table in tables:
            writer.write_table(table)


def _jsonl(file: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    # Values are encoded by column and put into one form: twice as fast as by record.
    fields = (f"{_encode(name).replace('%', '%%')}: %s" for name in schema.names)
    record = f"{{{', '.join(fields)}}}\n"
    for table in tables:
        cells = [_cells(column) for column in table.columns]
        file.write("".join(map(record.__mod__, zip(*cells, strict=True))).encode())


def _cells(column: pa.ChunkedArray) -> Iterator[str]:
    number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if number and column.null_count == 0:
        return map(repr, column.to_numpy().tolist())
    return map(_encode, column.to_pylist())


_encode = json.JSONEncoder(ensure_ascii=False).encode


WRITERS: dict[str, Write] = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}
"""How each format is written."""
