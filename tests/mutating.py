"""Files that are almost what they should be, and a reading of them that must end well.

``python -m mutating .csv --examples 300`` in this directory tries so many mutations of a
valid file of that suffix, under limits of time and memory; ``--seed`` repeats a search.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import lzma
import resource
import signal
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from format_tables import CASES, small
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mr import Dataset
from mr.errors import GradfoldError
from mr.storage.columns import to_arrays

SECONDS = 5
"""That one reading may take: the files have a few hundred bytes."""
MEMORY = 2 << 30
"""Bytes of address space that readings may add."""
SUFFIXES = [
    *(case.suffix for case in CASES),
    ".txt",
    ".csv.gz",
    ".libsvm.bz2",
    ".jsonl.xz",
]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda body: gzip.compress(body, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
COLUMNS = ["height", "depth", "label", "weight"]
ROWS = 9
TOKENS = [
    *(b"nan", b"-inf", b"1e999", b"-0", b"0x1p3", b"1_0", b"99999999999999999999", b"+", b"-1:1"),
    *(b"0:1", b"4294967297:1", b"2:", b":", b" ", b",", b"\t", b'"', b'""', b"'", b"#", b"\\"),
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc3", b"\xe2\x80\xa8"),
    *(b"{", b"}", b"[[[[[[[[", b"null", b"true", b'{"height":', b'"label"', b"qid:1", b"\x80\x02"),
]
"""What readers may stumble over."""

Edit = tuple[str, float, Any]


@cache
def valid(suffix: str) -> bytes:
    """Return a valid file."""
    inner = "".join(Path(f"a{suffix}").suffixes[:1])
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"a{inner}"
        if inner == ".txt":
            path.write_bytes("one line\nzwölf\n\nlast".encode())
        else:
            table = small()
            case = next(case for case in CASES if case.suffix == inner)
            case.write(path, table, COLUMNS)
            _shorten(path)
        return path.read_bytes()


def packed(suffix: str, body: bytes) -> bytes:
    """Return a file's body compressed as its last suffix says."""
    return PACKERS.get(Path(f"a{suffix}").suffix, bytes)(body)


def edited(body: bytes, edits: list[Edit]) -> bytes:
    """Return a file's bytes with edits made to them, one after the other."""
    new = bytearray(body)
    for kind, share, value in edits:
        at = round(share * len(new))
        match kind:
            case "put":
                new[at : at + len(value)] = value
            case "insert":
                new[at:at] = value
            case "delete":
                del new[at : at + value]
            case "flip" if at < len(new):
                new[at] ^= 1 << value
            case "repeat":
                new[at:at] = new[at : at + value]
            case "cut":
                del new[at:]
    return bytes(new)


def read(path: Path, options: dict[str, Any]) -> None:
    """Read a file to its end, or to one of our own errors."""
    with warnings.catch_warnings(), suppress(GradfoldError):
        warnings.simplefilter("ignore")  # of compressed files, which are not split
        dataset = Dataset(path, **options)
        for block in range(len(dataset.blocks)):
            to_arrays(dataset.read(block))
        dataset.digest()


def _edits() -> st.SearchStrategy[list[Edit]]:
    share = st.floats(0, 1)
    texts = st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=9)
    lengths = st.integers(1, 40)
    edit = st.one_of(
        st.tuples(st.sampled_from(["put", "insert"]), share, texts),
        st.tuples(st.sampled_from(["delete", "repeat"]), share, lengths),
        st.tuples(st.just("flip"), share, st.integers(0, 7)),
        st.tuples(st.just("cut"), share, st.none()),
    )
    return st.lists(edit, min_size=1, max_size=4)


def _options(suffix: str) -> st.SearchStrategy[dict[str, Any]]:
    given_options: dict[str, st.SearchStrategy[Any]] = {
        "block_size": st.sampled_from([16, 100, 1 << 20, 1 << 20]),
        "dtype": st.sampled_from(["float64", "float32"]),
    }
    if suffix.startswith((".csv", ".tsv", ".jsonl", ".parquet", ".arrow")):
        given_options["label"] = st.sampled_from([None, "label"])
        given_options["weight"] = st.sampled_from([None, "weight"])
        given_options["label_type"] = st.sampled_from(["auto", "number", "string"])
    elif suffix == ".npy":
        given_options["label"] = st.sampled_from([None, "2", "-1"])
    elif suffix.startswith(".libsvm"):
        given_options["zero_based"] = st.booleans()
        given_options["features"] = st.sampled_from([None, 4])
    return st.fixed_dictionaries(given_options)


def search(suffix: str, examples: int, seed_of: int) -> None:
    """Try mutations of a valid file; Hypothesis shows the smallest that goes wrong."""
    body = valid(suffix)
    outer = packed(suffix, body) != body

    @seed(seed_of)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(edits=_edits(), options=_options(suffix), unpacked=st.booleans())
    def trial(edits: list[Edit], options: dict[str, Any], unpacked: bool) -> None:
        if outer and unpacked:
            made = packed(suffix, edited(body, edits))
        else:
            made = edited(packed(suffix, body), edits)
        path.write_bytes(made)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        read(path, options)
        signal.setitimer(signal.ITIMER_REAL, 0)

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"a{suffix}"
        path.write_bytes(packed(suffix, body))
        read(path, {})  # loads and compiles what there is
        with limited():
            trial()


class limited:  # noqa: N801 - used as a function
    """Bound memory, and end a reading that takes too long."""

    def __enter__(self) -> None:
        """Set the limits."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, self._before[1]))
        signal.signal(signal.SIGALRM, _too_long)

    def __exit__(self, *_: object) -> None:
        """Lift them."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"reading took more than {SECONDS} s")


def _shorten(path: Path) -> None:
    """Keep the first lines of a text."""
    if path.suffix in (".csv", ".tsv", ".jsonl", ".libsvm"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:ROWS]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("suffix", choices=SUFFIXES)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    search(asked.suffix, asked.examples, asked.seed)
