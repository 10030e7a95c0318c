"""One small table, and a writer of it for each format: what the conformance suite binds."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

ROWS = 37
FEATURES = ("height", "width, all", "depth")


@dataclass(frozen=True)
class Table:
    X: np.ndarray
    numbers: np.ndarray
    names: np.ndarray
    weights: np.ndarray
    keys: np.ndarray


def small() -> Table:
    random = np.random.default_rng(3)
    X = random.standard_normal((ROWS, len(FEATURES)))
    X[5, 1] = X[30, 0] = np.nan
    numbers = random.integers(-1, 2, ROWS).astype(float)
    names = np.array(["low", "medium", "größe"])[(numbers + 1).astype(int)]
    weights = random.integers(0, 4, ROWS) / 2
    return Table(X, numbers, names, weights, np.arange(100, 100 + ROWS))


def records(table: Table) -> list[dict]:
    return [
        {
            **dict(zip(FEATURES, table.X[i].tolist(), strict=True)),
            "label": float(table.numbers[i]),
            "kind": str(table.names[i]),
            "weight": float(table.weights[i]),
            "key": int(table.keys[i]),
        }
        for i in range(ROWS)
    ]


def chosen(table: Table, columns: list[str]) -> list[dict]:
    return [{name: row[name] for name in columns} for row in records(table)]


def write_libsvm(path: Path, table: Table, columns: list[str]) -> None:
    del columns
    lines = []
    for label, row in zip(table.numbers, table.X, strict=True):
        pairs = " ".join(f"{j + 1}:{value!r}" for j, value in enumerate(row.tolist()))
        lines.append(f"{label:g} {pairs}\n")
    path.write_text("".join(lines))


def write_csv(path: Path, table: Table, columns: list[str]) -> None:
    delimiter = "\t" if path.suffix == ".tsv" else ","

    def field(value: object) -> str:
        if isinstance(value, float) and np.isnan(value):
            return ""
        text = str(value)
        return f'"{text}"' if delimiter in text else text

    lines = [delimiter.join(map(field, columns))]
    lines += [delimiter.join(map(field, row.values())) for row in chosen(table, columns)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_jsonl(path: Path, table: Table, columns: list[str]) -> None:
    def value(cell: object) -> object:
        return None if isinstance(cell, float) and np.isnan(cell) else cell

    rows = [{k: value(v) for k, v in row.items()} for row in chosen(table, columns)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def arrow_table(table: Table, columns: list[str]) -> pa.Table:
    return pa.Table.from_pylist(chosen(table, columns))


def write_parquet(path: Path, table: Table, columns: list[str]) -> None:
    pq.write_table(arrow_table(table, columns), path, row_group_size=5)


def write_arrow(path: Path, table: Table, columns: list[str]) -> None:
    arrow = arrow_table(table, columns)
    new = pyarrow.ipc.new_stream if path.suffix == ".arrows" else pyarrow.ipc.new_file
    with new(path, arrow.schema) as writer:
        writer.write_table(arrow, max_chunksize=5)


def write_npy(path: Path, table: Table, columns: list[str]) -> None:
    numeric = [[row[name] for name in columns] for row in records(table)]
    np.save(path, np.array(numeric))


@dataclass(frozen=True)
class Case:
    """How a format is bound to the suite, and what it does not have."""

    name: str
    suffix: str
    write: Callable[[Path, Table, list[str]], None]
    strings: bool = True  # labels may be strings
    roles: bool = True  # weights and ids
    named: bool = True  # columns have names
    empty_is_error: bool = True  # a file of no bytes is refused, and otherwise has no rows

    def __str__(self) -> str:
        return self.suffix[1:]


CASES = [
    Case(
        "libsvm",
        ".libsvm",
        write_libsvm,
        strings=False,
        roles=False,
        named=False,
        empty_is_error=False,
    ),
    Case("csv", ".csv", write_csv),
    Case("csv", ".tsv", write_csv),
    Case("jsonl", ".jsonl", write_jsonl),
    Case("parquet", ".parquet", write_parquet),
    Case("arrow", ".arrow", write_arrow),
    Case("arrow", ".arrows", write_arrow),
    Case("npy", ".npy", write_npy, strings=False, named=False),
]
