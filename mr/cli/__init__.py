"""The command line: ``mr``, also ``gradfold`` and ``python -m mr``."""

from __future__ import annotations

from mr.cli.group import main

__all__ = ["main"]
