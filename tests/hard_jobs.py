"""Jobs that make it hard for a worker. A module of their own, since workers import it by name."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from mr import FoldJob


class Forking(FoldJob):
    """Forks a child that comes out of `map` by one way or another."""

    def __init__(self, way: str) -> None:
        self.way = way

    def map(self, block, point):
        child = os.fork()
        if child == 0:
            if self.way == "exits":
                sys.exit(3)
            if self.way == "raises":
                raise ValueError("a child's own failure")
            return {"statuses": 1000}
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {"statuses": status, "forks": 1}


class Orphaning(FoldJob):
    """Dies once, and leaves a child behind that lives on."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def map(self, block, point):
        if not self.flag.exists():
            self.flag.touch()
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            os._exit(1)
        return {"rows": block.rows}


class Locked(FoldJob):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def map(self, block, point):
        return None
