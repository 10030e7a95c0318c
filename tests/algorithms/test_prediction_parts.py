"""Predictions as a directory of parts: the workers write, and it appears whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from classifiers import ROWS, WIDTH, binary, in_blocks, model_of, ternary, write_csv
from contracts.statistics import StatisticContract
from hypothesis import strategies as st

from mr import Dataset
from mr.algorithms import prediction_parts
from mr.algorithms.prediction_parts import Listed
from mr.algorithms.predictions import Predictions
from mr.errors import EmptyDataset, StorageError, UsageError
from mr.storage.faults import POSIX, S3, Fault, faulty
from mr.storage.filesystem import list_files


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH))


def tree(path):
    return {p.name: p.read_bytes() for p in path.iterdir() if p.name != "_SUCCESS"}


def read(url):
    import pyarrow as pa
    import pyarrow.parquet

    from mr.storage.directory import read_bytes

    tables = [
        pa.parquet.read_table(pa.BufferReader(read_bytes(file.uri))) for file in list_files(url)
    ]
    return pa.concat_tables(tables)


@pytest.mark.parametrize("place", ["local", "memory", "posix", "s3"])
def test_the_parts_are_the_table_in_order(place, X, tmp_path):
    predictions = Predictions(ternary(), in_blocks(X))
    with faulty({"posix": POSIX, "s3": S3}.get(place, S3)) as world:
        urls = {"local": f"{tmp_path}/out/", "memory": f"memory://parts/{tmp_path.name}/"}
        url = urls.get(place, f"{world.url}/out/")
        assert predictions.write(url, engine="inline") == ROWS
        assert read(url).equals(predictions.to_arrow())


@pytest.mark.parametrize("key", [None, "numbers", "names"])
def test_any_engine_with_any_workers_writes_the_same_files(key, X, tmp_path):
    ids = {
        None: None,
        "numbers": np.arange(ROWS) * 3,
        "names": [f"n{k}" for k in range(ROWS)],
    }[key]
    predictions = Predictions(binary(), in_blocks(X, id=ids))
    written = []
    for engine, workers, faults in [
        ("inline", 1, None),
        ("threads", 3, "5:0.3:raise"),
        ("processes", 2, "7:0.2:raise,kill"),
    ]:
        out = tmp_path / engine
        settings = {"engine": engine, "workers": workers, "faults": faults}
        assert predictions.write(f"{out}/", **settings) == ROWS
        written.append(tree(out))
    assert written[0] == written[1] == written[2]
    assert len(written[0]) > 3
    assert [path.name for path in tmp_path.glob("_temporary*")] == []


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_formats_are_named(kind, X, tmp_path):
    predictions = Predictions(binary(), in_blocks(X))
    predictions.write(f"{tmp_path}/out/", kind, engine="inline")
    names = [file.name for file in list_files(tmp_path / "out")]
    assert names[0] == f"part-00000.{kind}"
    assert sorted(names) == names


def test_a_directory_that_is_there_is_refused_before_anything_is_computed(X, tmp_path):
    predictions = Predictions(binary(), in_blocks(X))
    predictions.write(f"{tmp_path}/out/", engine="inline")
    before = tree(tmp_path / "out")
    with pytest.raises(UsageError, match="cannot be written there"):
        Predictions(ternary(), in_blocks(X)).write(f"{tmp_path}/out/")
    assert tree(tmp_path / "out") == before
    Predictions(ternary(), in_blocks(X)).write(f"{tmp_path}/out/", overwrite=True)
    assert tree(tmp_path / "out").keys() == before.keys()
    assert tree(tmp_path / "out") != before


def test_a_pass_that_fails_leaves_nothing(X, tmp_path):
    X[ROWS // 2, 1] = np.nan
    with pytest.raises(Exception, match="missing"):
        Predictions(binary(), in_blocks(X)).write(f"{tmp_path}/out/", engine="inline")
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_fails_for_a_moment_does_not_fail_the_job(X):
    predictions = Predictions(binary(), in_blocks(X, 3))
    with faulty(S3) as world:
        predictions.write(f"{world.url}/clean/", engine="inline")
        count = world.count
        for at in range(1, count + 1):
            world.restart({at: Fault.TRANSIENT})
            url = f"{world.url}/out{at}/"
            assert predictions.write(url, engine="inline") == ROWS
            assert read(url).num_rows == ROWS


def test_records_that_are_none_are_no_output(tmp_path):
    path = write_csv(tmp_path / "a.csv", np.zeros((3, 1)), ["a"])
    nothing = Dataset(path).random_split([1.0, 1e-12], seed=1)[1]
    with pytest.raises(EmptyDataset, match="no records"):
        Predictions(model_of([[1.0]], [0.0], [0.0, 1.0]), nothing).write(f"{tmp_path}/out/")
    assert not (tmp_path / "out").exists()


def test_parts_that_went_missing_are_an_error(X, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_parts.WriteParts, "map", lambda *_: None)
    with pytest.raises(StorageError, match="blocks with records became 0"):
        Predictions(binary(), in_blocks(X)).write(f"{tmp_path}/out/", engine="inline")
    assert list(tmp_path.iterdir()) == []


class TestListed(StatisticContract):
    kind = Listed

    def leaves(self):
        entry = st.builds(
            lambda block, kinds: Listed(block=[block], kinds=[kinds]),
            st.integers(0, 2**40),
            st.lists(st.booleans(), min_size=3, max_size=3),
        )
        return st.lists(st.none() | entry, min_size=1, max_size=9)
