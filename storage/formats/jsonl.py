"""JSON lines: a flat object a line; the first one's keys name the columns."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.json

from mr.storage import tables
from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Array, Columns
from mr.storage.errors import EmptyDataset, MalformedRecord, Place
from mr.storage.formats import lines
from mr.storage.formats.base import Format, Header, ReadOptions

_NUMBER, _WHOLE, _FLAG, _TEXT = "number", "whole", "flag", "text"
_ARROW = {_FLAG: pa.bool_(), _TEXT: pa.string(), _WHOLE: pa.int64(), _NUMBER: pa.float64()}


class JsonLines(Format):
    """Reads JSON lines.

    Every key but label, weight and id is a feature: a number, a boolean (0 or 1), or
    null. A key that a later record lacks is missing there; one that the first record
    does not have is refused.
    """

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read the first record."""
        offset, line = _first_record(file)
        record = parse(line, file.uri, offset)
        names = tables.feature_names(list(record), options, file.uri)
        for name in names:
            number(record[name], Place(file=file.uri, offset=offset, column=name))
        kinds = {name: _kind(value) for name, value in record.items()}
        return Header(names, {**lines.facts(file), "kinds": kinds})

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at byte ranges."""
        return lines.split(file, ordinal, block_size, header)

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Decode the lines that start in the piece."""
        content = lines.read(piece, header)
        starts = content.filled()
        decoder = _Decoder(piece.uri, header, options)
        table = decoder.fast(content) if len(starts) else decoder.empty()
        if table is None or table.num_rows != len(starts):
            table, starts = decoder.slow(content)

        def place(row: int, column: str | None) -> Place:
            return lines.place_of(piece.uri, content.offset + int(starts[row]), column)

        rows = tables.Rows(piece.ordinal, starts + content.offset, place)
        return tables.columns_of(table, tables.matrix(table, header.names), options, rows)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Two ways from lines to a table: a fast one, and one that says what is wrong."""

    uri: str
    header: Header
    options: ReadOptions

    def schema(self) -> pa.Schema:
        """Return the Arrow type of each column, as the first record has it."""
        features = frozenset(self.header.names)
        narrow = pa.type_for_alias(self.options.dtype)

        def kind_of(name: str, kind: str) -> pa.DataType:
            if name in features and kind != _FLAG:
                return narrow
            if name != self.options.id and kind == _WHOLE:
                return pa.float64()
            return _ARROW[kind]

        kinds = self.header.facts["kinds"]
        return pa.schema([(name, kind_of(name, kind)) for name, kind in kinds.items()])

    def empty(self) -> pa.Table:
        """Return a table without rows."""
        return self.schema().empty_table()

    def fast(self, content: lines.Lines) -> pa.Table | None:
        """Decode by Arrow; None if it refuses."""
        size = min(len(content.data) + 1, (1 << 31) - 1)
        try:
            return pyarrow.json.read_json(
                pa.BufferReader(pa.py_buffer(content.data)),
                pyarrow.json.ReadOptions(use_threads=False, block_size=size),
                pyarrow.json.ParseOptions(
                    explicit_schema=self.schema(), unexpected_field_behavior="error"
                ),
            )
        except pa.ArrowInvalid:
            return None

    def slow(self, content: lines.Lines) -> tuple[pa.Table, Array]:
        """Decode line by line, and raise at the first that is wrong."""
        names = list(self.header.facts["kinds"])
        columns: dict[str, list[Any]] = {name: [] for name in names}
        starts = []
        for offset, line in content.records():
            if not line.strip():
                continue
            starts.append(offset - content.offset)
            record = parse(line, self.uri, offset)
            self._refuse_unknown(record, offset)
            for name in names:
                columns[name].append(self._value(name, record.get(name), offset))
        arrays = {name: self._array(name, values) for name, values in columns.items()}
        return pa.table(arrays), np.array(starts, np.int64)

    def _refuse_unknown(self, record: dict[str, Any], offset: int) -> None:
        for name in record.keys() - self.header.facts["kinds"].keys():
            raise MalformedRecord(
                f"The key {name!r} is not among those of the first record",
                place=lines.place_of(self.uri, offset, name),
                cause="the keys of the first record name the columns",
                remedy="give the first record all keys, with null for what is missing",
            )

    def _value(self, name: str, value: Any, offset: int) -> Any:
        if name in (self.options.label, self.options.id):
            if isinstance(value, dict | list):
                raise _nested(lines.place_of(self.uri, offset, name))
            return value
        try:
            return number(value, Place())
        except MalformedRecord as error:  # the line is counted only if there is need
            raise error.at(**_fields(lines.place_of(self.uri, offset, name))) from None

    def _array(self, name: str, values: list[Any]) -> pa.Array:
        if name == self.options.id:
            return self._ids(values)
        if any(isinstance(value, str) for value in values):
            return pa.array([_text(value) for value in values], pa.string())
        numbers = pa.array([None if v is None else float(v) for v in values], pa.float64())
        return numbers.cast(self.options.dtype) if name in self.header.names else numbers

    def _ids(self, values: list[Any]) -> pa.Array:
        """Return ids in the type of the first record's, which they must not contradict."""
        kind = self.schema().field(self.options.id).type
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise MalformedRecord(
                f"An id is not of the type of the first one, {kind}: {error}",
                place=Place(file=self.uri, column=self.options.id),
                remedy="write all ids as strings",
            ) from None


def parse(line: bytes, uri: str, offset: int) -> dict[str, Any]:
    """Parse one record; integers are read as they are, however large."""
    try:
        record = json.loads(line.removeprefix(lines.BOM))
    except ValueError as error:
        why = str(error)
    else:
        if isinstance(record, dict):
            return record
        why = f"it is a {type(record).__name__}, not an object"
    raise MalformedRecord(
        f"The line is not a JSON object: {why}",
        place=lines.place_of(uri, offset),
        cause="a record is one flat object on one line",
        remedy="correct the line, or remove it",
    )


def number(value: Any, place: Place) -> float:
    """Return a feature's value as a float, or raise `MalformedRecord`."""
    if value is None:
        return math.nan
    if isinstance(value, int | float):  # booleans are integers
        return float(value)
    if isinstance(value, dict | list):
        raise _nested(place)
    raise MalformedRecord(
        f"The text {value!r} stands in a column of numbers",
        place=place,
        cause="every key that is not label, weight or id is a feature",
        remedy="if it is the label or an id, pass it as label= or id=; else encode it as "
        "numbers, or leave the key out",
    )


def _nested(place: Place) -> MalformedRecord:
    return MalformedRecord(
        "A value is nested",
        place=place,
        cause="a record is one flat object",
        remedy="give each value a key of its own",
    )


def _first_record(file: FileInfo) -> tuple[int, bytes]:
    offset = 0
    while line := lines.first_line(file, offset):
        if line.strip(lines.BOM + b" \t\r\n"):
            return offset, line
        offset += len(line)
    raise EmptyDataset(
        "The file has no records",
        place=Place(file=file.uri),
        cause="the first record's keys name the columns",
        remedy="leave the file out",
    )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return _FLAG
    if isinstance(value, int):
        return _WHOLE
    return _TEXT if isinstance(value, str) else _NUMBER


def _text(value: Any) -> str | None:
    """Return a label as text; a number as Arrow writes it, so that both ways agree."""
    if value is None or isinstance(value, str):
        return value
    return str(pa.scalar(float(value)).cast(pa.string()).as_py())


def _fields(place: Place) -> dict[str, Any]:
    return {name: getattr(place, name) for name in ("file", "line", "offset", "column")}
