"""Print what the tests of reliability tried, a line each: ``reliability_summary.py FILE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def summary(lines: Iterable[str]) -> list[str]:
    """Return a table of the records in a file of `reliability_report.record`, by test."""
    totals: dict[str, list[float]] = {}
    for line in lines:
        entry = json.loads(line)
        total = totals.setdefault(entry["test"], [0, 0, 0.0])
        for place, name in enumerate(("tried", "failed", "seconds")):
            total[place] += entry[name]
    rows = [("test", "tried", "failed", "seconds")]
    rows += [(name, f"{t:,.0f}", f"{f:,.0f}", f"{s:.1f}") for name, (t, f, s) in totals.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


if __name__ == "__main__":
    print("\n".join(summary(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())))
