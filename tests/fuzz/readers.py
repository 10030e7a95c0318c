"""Fuzz a format's reader by coverage: ``python tests/fuzz/readers.py .csv -max_total_time=60``.

The further arguments are libFuzzer's. What is found is written to a file, which, given in
place of them, is read once more: ``python tests/fuzz/readers.py .csv crash-1234``.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
with atheris.instrument_imports(include=["mr.storage"]):
    import mutating

RSS = 4096
"""Megabytes that a reader may take."""


def main(suffix: str, arguments: list[str]) -> None:
    """Fuzz, beginning with a valid file."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name) / "corpus"
        corpus.mkdir()
        (corpus / "valid").write_bytes(mutating.packed(suffix, mutating.valid(suffix)))
        path = Path(name) / f"a{suffix}"
        limits = [f"-timeout={mutating.SECONDS}", f"-rss_limit_mb={RSS}", "-max_len=8192"]
        once = [argument for argument in arguments if not argument.startswith("-")]

        def read(data: bytes) -> None:
            path.write_bytes(data)
            mutating.read(path, {"block_size": 64})

        atheris.Setup([sys.argv[0], *limits, *arguments, *([] if once else [str(corpus)])], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
