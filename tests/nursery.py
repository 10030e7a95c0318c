"""A process that has imported everything once, and forks drivers that are to die.

``python -m nursery`` reads one request a line, and answers with what becomes of the driver:
``{"stopped": pid}`` each time that it is, and ``{"status": …}`` at its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from striking import Blow, Striker, fit


class Nursery:
    """Forks drivers.

    Parameters
    ----------
    environment : mapping
        Its variables, and those of its drivers.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nursery"],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},  # a fork takes one thread along
            text=True,
        )

    def drive(self, path: Path, run: Path, blow: Blow, **settings: Any) -> Iterator[dict[str, Any]]:
        """Have a driver born, and yield what becomes of it until it is dead."""
        request = {"path": str(path), "run": str(run), "blow": asdict(blow), **settings}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        for line in self._process.stdout or ():
            news = json.loads(line)
            yield news
            if "status" in news:
                return
        raise AssertionError("the nursery is dead")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@contextmanager
def nursery(environment: Mapping[str, str]) -> Iterator[Nursery]:
    """Open a nursery for a while."""
    opened = Nursery(environment)
    try:
        yield opened
    finally:
        opened.close()


def _serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
            return
        while "status" not in (news := _news(pid)):
            print(json.dumps(news), flush=True)
        print(json.dumps(news), flush=True)


def _news(pid: int) -> dict[str, int]:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"stopped": pid}
    return {"status": os.waitstatus_to_exitcode(status)}


def _live(request: dict[str, Any]) -> None:
    """Be a driver: fit, and leave the digest beside the run."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)  # the answers are not ours to give
    os.environ |= request.pop("environment")
    blow, path, run = (request.pop(name) for name in ("blow", "path", "run"))
    striker = Striker([Blow(**blow)], os.getpid())
    digest = fit(Path(path), striker, engine="processes", run=run, **request)
    Path(f"{run}.digest").write_text(digest)


if __name__ == "__main__":
    import mr.algorithms.logistic  # noqa: F401 - so that drivers find it loaded

    _serve()
