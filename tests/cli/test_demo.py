"""The demo, end to end."""

from __future__ import annotations

import sys

import pytest
from command_line import call, succeed

from mr import demo


@pytest.mark.slow
def test_the_demo_loses_a_worker_and_arrives_at_the_same_model(tmp_path):
    found = succeed("demo", "--directory", tmp_path, "--rows", 400_000)
    assert found["equal"]
    assert found["inline"]["model_digest"] == found["processes"]["model_digest"]
    assert found["iris"]["metrics"]["accuracy"] > 0.9
    assert found["processes"]["retries"] >= 1
    dead = found["killed"]
    assert dead["pid"] in {worker["pid"] for worker in found["processes"]["workers"]}
    assert (tmp_path / "convergence.png").read_bytes().startswith(b"\x89PNG")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        *("iris.libsvm", "iris.model", "inline.model", "processes.model", "convergence.png")
    }


def test_the_demo_names_the_extra_that_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "sklearn" else sys)
    ended = call("demo", "--directory", tmp_path)
    assert ended.status == 2
    assert "pip install 'gradfold[demo]'" in ended.errors
    assert list(tmp_path.iterdir()) == []
