"""Worker processes where something around them is odd: the directory, the disk, the user's code."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import pytest
from hard_jobs import Forking, Locked, Orphaning

from mr import Dataset, fold
from mr.cluster import worker
from mr.config import Config
from mr.errors import StorageError, UsageError
from mr.storage import scratch

pytestmark = pytest.mark.slow


def rows(count: int = 100, blocks: int = 1) -> Dataset:
    return Dataset.from_arrays(np.ones((count, 1)), block_size=8 * count // blocks)


@pytest.mark.parametrize("engine", ["inline", "processes"])
@pytest.mark.parametrize(("way", "status"), [("exits", 3), ("raises", 1), ("returns", 0)])
def test_a_child_that_comes_out_of_map_ends_there(engine, way, status):
    dataset = rows(blocks=4)
    total = fold(Forking(way), dataset, engine=engine, workers=1)
    assert total["forks"] == len(dataset.blocks) > 1
    assert total["statuses"] == len(dataset.blocks) * status


def test_the_death_of_a_worker_is_seen_though_a_child_of_it_lives_on(tmp_path):
    started = time.monotonic()
    total = fold(Orphaning(tmp_path / "flag"), rows(), engine="processes", workers=1)
    assert total["rows"] == 100
    assert time.monotonic() - started < 20


def test_a_job_that_cannot_be_sent_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match=r"cannot be sent to worker processes.*lock") as caught:
        fold(Locked(), rows(), engine="processes", workers=1)
    assert "inside map" in caught.value.remedy


def test_a_job_that_workers_cannot_load_is_refused_by_name(monkeypatch):
    module = types.ModuleType("made_up_here")
    code = "from mr import FoldJob\nclass Job(FoldJob):\n    def map(self, b, p): return {'n': 1}"
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(UsageError, match="No module named 'made_up_here'"):
        fold(module.Job(), rows(), engine="processes", workers=1)


def test_a_full_scratch_disk_is_named(tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")

    def full(path, buffers):
        Path("/dev/full").write_bytes(b"".join(buffers))

    monkeypatch.setattr(worker, "write_whole", full)
    serving = worker.Worker(tmp_path, Config.from_environment(), lambda message: None)
    with pytest.raises(StorageError, match="no space left"):
        serving._result("attempt", bytes(worker.INLINE_BYTES + 1))


def test_a_scratch_directory_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADFOLD_SCRATCH", str(tmp_path / "file"))
    scratch._directory_of.cache_clear()
    try:
        with pytest.raises(UsageError, match="No scratch directory can be made") as caught:
            scratch.directory()
    finally:
        scratch._directory_of.cache_clear()
    assert "GRADFOLD_SCRATCH" in caught.value.remedy


@pytest.mark.parametrize("name", ["queue", "mr", "numpy"])
def test_a_file_in_the_working_directory_does_not_shadow_a_module(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    script = """
        import sys
        sys.path.remove("")  # as for a script elsewhere, or the command
        import numpy as np
        from mr import Dataset, FoldJob, fold
        class Rows(FoldJob):
            def map(self, block, point):
                return {"rows": block.rows}
        data = Dataset.from_arrays(np.ones((5, 1)))
        print(fold(Rows(), data, engine="processes", workers=1)["rows"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("5\n", "")
