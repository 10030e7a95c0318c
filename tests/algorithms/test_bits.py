"""The same bits on any set of processor features.

Each case runs a fit in a process of its own, for which a family of features is switched off
in numpy, in the C library or in the compiler of the kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

PROGRAM = """
import hashlib
import sys
import numpy as np
from mr.algorithms.kernels import dense, link, sparse
from mr.algorithms.kernels.tiles import to_tiles
from mr.algorithms.linear import Layout
from mr.algorithms.solvers.lbfgs import LBFGS

rng = np.random.Generator(np.random.Philox(7))
digest = hashlib.sha256()
n, d = 5000, 21
for classes in (2, 3):
    X = rng.integers(-2**20, 2**20, (n, d)).astype(np.float32) * np.float32(2.0**-19)
    y = (rng.integers(0, 2**20, n) + (X[:, 0] > 0) * 2**19) % classes
    v = rng.integers(0, 8, n) / 8.0
    tiles, layout = to_tiles(X), Layout(d, classes)
    csr = X.ravel(), np.tile(np.arange(d, dtype=np.int32), n), np.arange(n + 1) * d
    for rows, module in (((tiles, n), dense), (csr, sparse))[: int(sys.argv[1])]:
        solver = LBFGS(layout.zeros(), metric=layout.metric(np.full(d, 1.3), 1e-3))
        state = solver.init()
        while not solver.status(state).done:
            x = solver.ask(state)["x"]
            W, b = layout.split(x)
            if classes == 2:
                sums = module.binary_logistic(*rows, y, v, W[0], b[0])
            else:
                sums = module.multinomial_logistic(*rows, y, v, W, b)
            found = layout.finish(sums[0], sums[1:3], sums[3], x, 1e-3)
            state = solver.tell(state, found)
        assert solver.status(state).converged
        z = module.margins(*rows, *layout.split(state.x))
        for array in (state.x, state.gradient, z, link.softmax(z), link.log(link.sigmoid(z[:, 0]))):
            digest.update(array.tobytes())
        digest.update(repr((state.value, state.evaluations)).encode())
print(digest.hexdigest())
"""

CASES = {
    # By the names of numpy 2.4, and by those before.
    "numpy": {
        "NPY_DISABLE_CPU_FEATURES": (
            "X86_V3 X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL "
            "AVX512_SPR AVX2 FMA3"
        )
    },
    "C library": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA,-FMA4,-AVX512VL"},
    "compiler, generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "compiler, AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"},
}


def run(setting, cache_directory, kinds):
    environment = {**os.environ, **setting}
    if cache_directory is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache_directory)
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(kinds)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@cache
def here(kinds):
    return run({}, None, kinds)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_bits_do_not_depend_on_features(case, tmp_path):
    compiles = "NUMBA_CPU_NAME" in CASES[case]
    # To compile is slow: sparse kernels, which have no wide loops of their own, once.
    kinds = 1 if case == "compiler, AVX2" else 2
    assert run(CASES[case], tmp_path if compiles else None, kinds) == here(kinds)
