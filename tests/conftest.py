"""What every test gets: directories of its own, seeds that are printed, Hypothesis's profile."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

IN_CI = bool(os.environ.get("CI"))

settings.register_profile(
    "gradfold",
    deadline=None,  # the first example of a kernel compiles it
    print_blob=True,  # a failure is one line to paste
    derandomize=IN_CI,  # CI fails for what a change did; elsewhere runs go on searching
    suppress_health_check=[HealthCheck.too_slow],  # says more of the machine than of the test
)
settings.load_profile("gradfold")


@pytest.fixture(scope="session", autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the block cache and scratch files of this test process away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("GRADFOLD_CACHE", "GRADFOLD_SCRATCH"):
            directory = tmp_path_factory.mktemp(variable.lower())
            patch.setenv(variable, str(directory))
        yield


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return a seed: ``GRADFOLD_TEST_SEED``, else the test's own in CI, else a new one each time.

    It is printed, so that a failing test shows how to run it again.
    """
    given = os.environ.get("GRADFOLD_TEST_SEED")
    if given is not None:
        value = int(given)
    elif IN_CI:
        value = zlib.crc32(request.node.nodeid.encode())
    else:
        value = secrets.randbelow(2**32)
    print(f"seed {value}: to run again, GRADFOLD_TEST_SEED={value} pytest '{request.node.nodeid}'")
    return value
