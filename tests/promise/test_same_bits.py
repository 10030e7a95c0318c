"""The same model, bit for bit, on any engine, with any number of workers, through failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from promise_data import digest_of_file, fit, write_libsvm

import mr.drive
from mr.events import WorkerLost
from mr.statistic import Statistic
from mr.task import merge

# Engine, workers, data and faults, so chosen that each pair of values occurs.
RUNS = [
    ("inline", 1, "dense", "11:0.05:raise,kill"),
    ("inline", 1, "sparse", "12:0.05:raise,kill"),
    ("threads", 1, "dense", None),
    ("threads", 1, "sparse", "12:0.05:raise,kill"),
    ("threads", 2, "dense", "12:0.05:raise,kill"),
    ("threads", 3, "sparse", None),
    ("threads", 5, "dense", "11:0.05:raise,kill"),
    ("processes", 1, "dense", "11:0.05:raise,kill"),
    ("processes", 2, "sparse", None),
    ("processes", 2, "dense", "12:0.05:raise,kill"),
    ("processes", 3, "sparse", "11:0.05:raise,kill"),
    ("processes", 3, "dense", None),
    ("processes", 5, "sparse", "12:0.05:raise,kill"),
    ("processes", 2, "sparse", "13:0.01:hang"),
    ("simulated:machines=20,cores=2", 40, "dense", "11:0.05:raise,kill"),
    ("simulated:machines=3,cores=1,jitter=2", 3, "sparse", None),
]

FEATURES_OFF = {
    "numpy": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"},
    "libm": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"},
    "numba": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("data")
    kinds = ("dense", "sparse")
    return {kind: write_libsvm(directory / f"{kind}.libsvm", kind) for kind in kinds}


@pytest.fixture(scope="module")
def expected(files: dict[str, Path]) -> dict[str, str]:
    """Return the digests of undisturbed inline runs."""
    return {kind: fit(path, engine="inline")[0].model_.digest() for kind, path in files.items()}


@pytest.mark.parametrize(("engine", "workers", "kind", "faults"), RUNS)
def test_one_digest(
    engine: str,
    workers: int,
    kind: str,
    faults: str | None,
    files: dict[str, Path],
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    timeout = 3.0 if faults and "hang" in faults else None
    model, story = fit(
        files[kind], engine=engine, workers=workers, faults=faults, task_timeout=timeout
    )
    model.save(str(tmp_path / "model"))
    assert digest_of_file(tmp_path / "model") == expected[kind]
    if faults:
        assert story.retries >= 1
    if faults and "kill" in faults:
        assert story.lost_in_mid_task
    if engine == "processes" and faults:
        assert len(story.pids_that_worked) >= 2


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_another_row_gives_another_digest(
    kind: str, expected: dict[str, str], tmp_path: Path
) -> None:
    changed = write_libsvm(tmp_path / "changed.libsvm", kind, change=True)
    assert fit(changed, engine="inline")[0].model_.digest() != expected[kind]


class _InOrderOfCompletion:
    """The mutant: merges whatever comes, as it comes."""

    def __init__(self, blocks: int, merge: object) -> None:
        self._total: Statistic | None = None

    def add(self, node: tuple[int, int], value: Statistic | None) -> None:
        if value is not None:
            self._total = value if self._total is None else merge(self._total, value)

    def total(self) -> Statistic | None:
        return self._total


def test_a_merge_in_order_of_completion_is_found_out(
    files: dict[str, Path], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mr.drive, "Reducer", _InOrderOfCompletion)
    faulty, story = fit(files["dense"], engine="threads", workers=3, faults="11:0.05:raise,kill")
    assert story.of(WorkerLost)
    assert faulty.model_.digest() != expected["dense"]


def test_a_file_cut_otherwise_is_another_computation(
    files: dict[str, Path], expected: dict[str, str]
) -> None:
    # The promise is for one block size: sums over other blocks round otherwise.
    from mr import Dataset
    from mr.algorithms import LogisticRegression

    model = LogisticRegression(l2=1e-3, solver="lbfgs", tol=1e-5)
    model.fit(Dataset(files["dense"], block_size=1 << 14), engine="inline")
    reference = fit(files["dense"], engine="inline")[0]
    assert model.model_.digest() != expected["dense"]
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-3)


_PRINT_DIGEST = """
import sys
from pathlib import Path
from promise_data import fit
print(fit(Path(sys.argv[1]), engine="inline")[0].model_.digest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("switch", FEATURES_OFF)
def test_one_digest_whatever_the_processor_has(
    switch: str, files: dict[str, Path], expected: dict[str, str], tmp_path: Path
) -> None:
    """Kernels are compiled afresh here, with features of the processor switched off."""
    environment = {
        **os.environ,
        **FEATURES_OFF[switch],
        "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
        "GRADFOLD_CACHE": str(tmp_path / "blocks"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONWARNINGS": "ignore",  # numpy warns of features that the processor lacks anyway
    }
    found = subprocess.run(
        [sys.executable, "-c", _PRINT_DIGEST, str(files["dense"])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == expected["dense"]
