"""libsvm text: ``label index:value index:value … # comment``, one record a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mr.storage.blocks import FileInfo, Piece
from mr.storage.columns import Columns, Sparse
from mr.storage.errors import DataError, MalformedRecord, Place, SchemaMismatch, UsageError
from mr.storage.formats import libsvm_scan, lines
from mr.storage.formats.base import Format, Header, ReadOptions
from mr.storage.formats.libsvm_scan import Scan

_SHOWN = 40


class Libsvm(Format):
    """Reads libsvm (svmlight) text to compressed rows.

    Labels are numbers. Indices count from 1, or from 0 with ``zero_based``, and
    rise within a line. ``nan`` is a missing value. Blank lines, ``#`` comments and
    ``qid:`` are skipped: queries are not read.
    """

    name: ClassVar[str] = "libsvm"
    suffixes: ClassVar[tuple[str, ...]] = (".libsvm", ".svmlight", ".svm")

    def inspect(self, file: FileInfo, options: ReadOptions) -> Header:
        """Refuse the options that need named columns; nothing of the file is read."""
        for option in ("weight", "id"):
            if getattr(options, option) is not None:
                raise UsageError(
                    f"Libsvm has no columns to take the {option} from",
                    place=Place(file=file.uri),
                    remedy="write the data as CSV or Parquet",
                )
        if options.label_type == "string":
            raise UsageError("Labels of libsvm are numbers", place=Place(file=file.uri))
        return Header(facts=lines.facts(file))

    def split(self, file: FileInfo, ordinal: int, block_size: int, header: Header) -> list[Piece]:
        """Cut at byte ranges."""
        return lines.split(file, ordinal, block_size, header)

    def read(self, piece: Piece, header: Header, options: ReadOptions) -> Columns:
        """Decode the lines that start in the piece."""
        content = lines.read(piece, header)
        found = libsvm_scan.scan(
            content.array(),
            0 if options.zero_based else 1,
            libsvm_scan.LARGEST_WIDTH if options.features is None else options.features,
        )
        failure = _Failure(piece.uri, content, options)
        _finish(found, failure)
        seen = int(found.indices.max()) + 1 if len(found.indices) else 0
        data = found.data.astype(options.dtype, copy=False)
        width = seen if options.features is None else options.features
        return Columns(
            ordinal=np.full(len(found.labels), piece.ordinal, np.int64),
            position=found.starts + content.offset,
            features=Sparse(data, found.indices, found.indptr, width),
            labels=found.labels,
        )


def _finish(found: Scan, failure: _Failure) -> None:
    """Parse the numbers that the scanner left, and report what broke first."""
    for slot, start, stop in found.hard.tolist():
        token = bytes(failure.content.data[start:stop])
        try:
            value = float(token if b"_" not in token else b"")
        except ValueError:
            raise failure.of_number(token, start, is_label=slot < 0) from None
        if found.code != libsvm_scan.FINE:
            continue  # a line that broke has no place among the rows
        if slot < 0:
            found.labels[-1 - slot] = value
        else:
            found.data[slot] = value
    if found.code != libsvm_scan.FINE:
        raise failure.of_index(found.code, found.at)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Makes errors of what is wrong in a piece."""

    uri: str
    content: lines.Lines
    options: ReadOptions

    def of_number(self, token: bytes, at: int, *, is_label: bool) -> DataError:
        """Return the error of a token that should be a number."""
        what, cause = "value", "a value must be a number; nan stands for a missing one"
        if is_label:
            what, cause = "label", "a line must begin with its label, a number"
            if b"," in token:
                cause = "several labels a record are not supported"
        return MalformedRecord(
            f"The {what} {_shown(token)} is not a number",
            place=self._place(at),
            cause=cause,
            remedy="correct the line, or remove it",
        )

    def of_index(self, code: int, at: int) -> DataError:
        """Return the error of an index that breaks a rule."""
        token = _shown(bytes(self.content.data[at:]).split(None, 1)[0])
        causes = {
            libsvm_scan.NOT_A_PAIR: ("is not index:value", "correct the line, or remove it"),
            libsvm_scan.TOO_SMALL: (
                "has index 0, and indices count from 1",
                "if they count from 0 in this data, pass zero_based=True (--zero-based)",
            ),
            libsvm_scan.NOT_RISING: (
                "does not have a greater index than the one before",
                "sort the indices of each line, and leave each at most once",
            ),
            libsvm_scan.TOO_LARGE: (
                f"lies beyond the {self.options.features} features of the schema"
                if self.options.features is not None
                else f"has an index beyond {libsvm_scan.LARGEST_WIDTH}",
                "raise features= (--features), or correct the line",
            ),
        }
        cause, remedy = causes[code]
        kind = SchemaMismatch if code == libsvm_scan.TOO_LARGE else MalformedRecord
        return kind(f"The feature {token} {cause}", place=self._place(at), remedy=remedy)

    def _place(self, at: int) -> Place:
        start = bytes(self.content.data[:at]).rfind(b"\n") + 1
        return lines.place_of(self.uri, self.content.offset + start)


def _shown(token: bytes) -> str:
    text = token.decode("utf-8", "replace")
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
