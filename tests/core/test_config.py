"""Settings: sizes as people write them, and the variables of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from mr.config import Config, default_workers, parse_size
from mr.errors import UsageError

K, M, G, T = (1 << 10 * power for power in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        (4096, 4096),
        ("1", 1),
        ("12B", 12),
        ("64k", 64 * K),
        ("64K", 64 * K),
        ("64kb", 64 * K),
        ("64KiB", 64 * K),
        ("16MB", 16 * M),
        (" 16 MB ", 16 * M),
        ("1.5 GiB", 3 * G // 2),
        ("2t", 2 * T),
        ("0.5k", 512),
    ],
)
def test_reads_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MB",
        "x",
        "16X",
        "16i",
        "16ib",
        "16bb",
        "16mm",
        "1 6",
        "nan",
        "inf",
        "-1",
        "-4k",
        "0",
        "0.5",
        "16 M B",
        "1e30",
        "0x10",
        "k16",
        "1..5",
    ],
)
def test_refuses_what_is_no_size(text):
    with pytest.raises(UsageError, match="size"):
        parse_size(text)


def test_takes_every_setting_from_the_environment():
    environment = {
        "GRADFOLD_WORKERS": "3",
        "GRADFOLD_CACHE": "/there",
        "GRADFOLD_CACHE_SIZE": "2GB",
    }
    config = Config.from_environment(environment=environment)
    assert config == Config(3, Path("/there"), 2 * G)


def test_an_argument_precedes_the_environment():
    assert Config.from_environment(2, {"GRADFOLD_WORKERS": "3"}).workers == 2


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(["GRADFOLD_WORKERS", "GRADFOLD_CACHE"], "")])
def test_has_defaults_for_what_is_unset_or_empty(empty, tmp_path):
    config = Config.from_environment(
        environment={**empty, "XDG_CACHE_HOME": str(tmp_path), "GRADFOLD_CACHE_SIZE": ""}
    )
    assert config.workers == default_workers() >= 1
    assert config.cache_dir == tmp_path / "gradfold" / "blocks"
    assert config.cache_size == 16 * G


@pytest.mark.parametrize(
    "environment",
    [
        {"GRADFOLD_WORKERS": "many"},
        {"GRADFOLD_WORKERS": "2.5"},
        {"GRADFOLD_WORKERS": "0"},
        {"GRADFOLD_WORKERS": "-1"},
        {"GRADFOLD_CACHE_SIZE": "big"},
    ],
)
def test_refuses_what_cannot_be(environment):
    with pytest.raises(UsageError):
        Config.from_environment(environment=environment)


def test_makes_the_cache(tmp_path):
    cache = Config(1, tmp_path, 5 * M).cache()
    assert (cache.directory, cache.limit) == (tmp_path, 5 * M)
