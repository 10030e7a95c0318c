"""Signs of life of worker processes, as the system sees them.

A worker that computes for minutes with the interpreter's lock held is alive, and
could not say so itself; one that was stopped, as by SIGSTOP, is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

EVERY = 2.0
"""Seconds between signs of life."""

_STOPPED = ("T", "t")


class Pulse:
    """Tells now and then which processes are alive, from a thread of its own.

    Parameters
    ----------
    processes : callable
        Returns the process ids of the workers by name.
    tell : callable
        Is called with the name of each that is alive.
    """

    def __init__(
        self, processes: Callable[[], Mapping[str, int]], tell: Callable[[str], None]
    ) -> None:
        self._processes = processes
        self._tell = tell
        self._closed = threading.Event()
        threading.Thread(target=self._beat, name="gradfold-pulse", daemon=True).start()

    def close(self) -> None:
        """Let the thread end."""
        self._closed.set()

    def _beat(self) -> None:
        while not self._closed.wait(EVERY):
            for name, pid in self._processes().items():
                if not stopped(pid):
                    self._tell(name)


def stopped(pid: int) -> bool:
    """Return whether a process is stopped; False where the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The name in parentheses may hold anything, so the state is what follows the last one.
    return stat.rpartition(")")[2].split()[0] in _STOPPED
