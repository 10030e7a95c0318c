"""CSV with a header line: every column but label, weight and id is a feature."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.csv

from mr.storage import tables
from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns
from mr.storage.errors import EmptyDataset, MalformedRecord, Place
from mr.storage.formats import lines
from mr.storage.formats.base import Format, Header, ReadOptions

_QUOTE = b'"'


class Csv(Format):
    """Reads CSV (commas) and TSV (tabs).

    The first line names the columns. Empty fields, ``NA`` and ``nan`` are missing.
    Fields may be quoted, but a record is one line: line ends inside quotes are refused.
    Ids are kept as they are written, as strings.
    """

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Read the header line."""
        line = lines.first_line(file)
        name = file.name.lower().removesuffix(lines.compression(file.name))
        delimiter = "\t" if name.endswith(".tsv") else ","
        names = _header(line, delimiter, file.uri)
        facts = lines.facts(file, first=len(line))
        return Header(
            tables.feature_names(names, options, file.uri),
            {**facts, "columns": list(names), "delimiter": delimiter},
        )

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
            table = decoder.slow(content)
        elif len(starts):
            decoder.refuse_open_quote(content, int(starts[-1]))

        def place(row: int, column: str | None) -> Place:
            return lines.place_of(piece.uri, content.offset + int(starts[row]), column)

        rows = tables.Rows(piece.ordinal, starts + content.offset, place)
        features = tables.matrix(table, header.names)
        return tables.columns_of(table, features, options, rows)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Two ways from lines to a table: a fast one, and one that says what is wrong."""

    uri: str
    header: Header
    options: ReadOptions

    def types(self) -> dict[str, Any]:
        """Return the Arrow type of each column; labels are looked at as text."""
        kinds = dict.fromkeys(self.header.names, pa.type_for_alias(self.options.dtype))
        for name in (self.options.label, self.options.weight, self.options.id):
            if name is not None:
                kinds[name] = pa.string()
        return {name: kinds[name] for name in self.header.facts["columns"]}

    def empty(self) -> pa.Table:
        """Return a table without rows."""
        return pa.schema(list(self.types().items())).empty_table()

    def fast(self, content: lines.Lines) -> pa.Table | None:
        """Decode by Arrow; None if it refuses."""
        facts, arrow = self.header.facts, pyarrow.csv
        try:
            return arrow.read_csv(
                pa.BufferReader(pa.py_buffer(content.data)),
                arrow.ReadOptions(
                    use_threads=False,
                    block_size=min(len(content.data) + 1, (1 << 31) - 1),
                    column_names=facts["columns"],
                ),
                arrow.ParseOptions(delimiter=facts["delimiter"]),
                arrow.ConvertOptions(
                    column_types=self.types(),
                    null_values=list(tables.MISSING),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None

    def refuse_open_quote(self, content: lines.Lines, start: int) -> None:
        """Raise if a quoted field runs over the end of the last line, which Arrow lets pass.

        On any other line it takes in the next, and there are fewer rows than lines.
        """
        last = bytes(content.data[start:])
        if _QUOTE in last:
            self._fields(last.rstrip(b"\r\n"), content.offset + start)

    def slow(self, content: lines.Lines) -> pa.Table:
        """Decode line by line, and raise at the first that is wrong."""
        kinds = self.types()
        columns: dict[str, list[Any]] = {name: [] for name in kinds}
        for offset, fields in self._records(content):
            for (name, kind), field in zip(kinds.items(), fields, strict=True):
                is_text = pa.types.is_string(kind)
                columns[name].append(field if is_text else self._number(field, offset, name))
        return pa.table({name: pa.array(columns[name], kind) for name, kind in kinds.items()})

    def _records(self, content: lines.Lines) -> Iterator[tuple[int, list[str]]]:
        width = len(self.header.facts["columns"])
        for offset, line in content.records():
            if not line:
                continue
            fields = self._fields(line, offset)
            if len(fields) != width:
                raise MalformedRecord(
                    f"The line has {len(fields)} fields, and the header names {width}",
                    place=lines.place_of(self.uri, offset),
                    cause="a field is missing, or one that holds the delimiter is not quoted",
                    remedy="correct the line, or remove it",
                )
            yield offset, fields

    def _fields(self, line: bytes, offset: int) -> list[str]:
        try:
            return fields_of(line.decode(), self.header.facts["delimiter"])
        except UnicodeDecodeError as error:
            what, cause, remedy = f"The line is not UTF-8: {error.reason}", "", "convert the file"
        except csv.Error as error:
            what, cause = f"The line cannot be cut into fields: {error}", ""
            remedy = "correct the line, or remove it"
            if line.count(_QUOTE) % 2:
                cause = "a quoted field does not end on its line"
                remedy = "remove line ends from inside quotes, or convert the file to Parquet"
        raise MalformedRecord(
            what, place=lines.place_of(self.uri, offset), cause=cause, remedy=remedy
        )

    def _number(self, field: str, offset: int, name: str) -> float:
        text = field.strip()
        if text in tables.MISSING:
            return math.nan
        try:
            return float(text if "_" not in text else "")
        except ValueError:
            raise MalformedRecord(
                f"The text {text!r} stands in a column of numbers",
                place=lines.place_of(self.uri, offset, name),
                cause="every column that is not label, weight or id is a feature",
                remedy=f"correct the field; if {name!r} is the label or an id, pass it as label= "
                "or id=; else encode it as numbers, or leave the column out",
            ) from None


def fields_of(line: str, delimiter: str) -> list[str]:
    """Cut one line into its fields; raise `csv.Error` if a quoted one does not end."""
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _header(line: bytes, delimiter: str, uri: str) -> tuple[str, ...]:
    place = Place(file=uri, line=1, offset=0)
    if not line.strip(lines.BOM + b"\r\n"):
        raise EmptyDataset(
            "The file has no header line" if line else "The file is empty",
            place=place,
            cause="the first line of a CSV file names its columns",
            remedy="add a header line, or leave the file out",
        )
    try:
        text = line.removeprefix(lines.BOM).decode().rstrip("\r\n")
        names = tuple(name.strip() for name in fields_of(text, delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedRecord(
            f"The header line cannot be read: {error}",
            place=place,
            remedy="write the file as UTF-8, with each name on the first line",
        ) from None
    if all(map(_is_number, names)):
        raise MalformedRecord(
            "The first line holds numbers, not names of columns",
            place=place,
            cause="the file has no header line",
            remedy="add a first line that names the columns",
        )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
