"""What cannot be read as data is left out only where that is allowed, and accounted for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mr import Dataset, FoldJob, fold
from mr.algorithms import LogisticRegression
from mr.errors import MalformedRecord, UsageError
from mr.events import BlockSkipped

ENGINES = ["inline", "threads", "processes", "simulated:machines=2"]


def lines(count: int = 400) -> list[str]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(count, 3)).round(4)
    y = (X.sum(axis=1) + rng.logistic(size=count) > 0).astype(int)
    return [f"{label} 1:{a} 2:{b} 3:{c}\n" for label, (a, b, c) in zip(y, X.tolist(), strict=True)]


def write(path: Path, records: list[str]) -> Path:
    path.write_text("".join(records))
    return path


def spoil(records: list[str], *rows: int) -> list[str]:
    return [f"1 1:oops{row}\n" if row in rows else text for row, text in enumerate(records)]


class Rows(FoldJob):
    def map(self, block, point):
        return {"rows": block.rows}


class TestRecords:
    def test_fail_by_default(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.libsvm", spoil(lines(), 7))
        with pytest.raises(MalformedRecord, match=r"a\.libsvm:8"):
            LogisticRegression().fit(Dataset(path))

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("block_size", [500, 1 << 20])
    def test_are_left_out_and_counted(self, tmp_path: Path, engine: str, block_size: int) -> None:
        bad = (0, 7, 8, 203, 399)
        path = write(tmp_path / "a.libsvm", spoil(lines(), *bad))
        dataset = Dataset(path, on_bad_record="skip:5", block_size=block_size)
        model = LogisticRegression(l2=0.1).fit(dataset, engine=engine)
        assert model.fit_.skipped_records == 5
        assert model.fit_.rows == 395
        good = [text for row, text in enumerate(lines()) if row not in bad]
        clean = LogisticRegression(l2=0.1).fit(Dataset(write(tmp_path / "b.libsvm", good)))
        np.testing.assert_allclose(model.coef_, clean.coef_, rtol=1e-5)

    def test_are_too_many_over_all_blocks(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.libsvm", spoil(lines(), 3, 300))
        dataset = Dataset(path, on_bad_record="skip:1", block_size=500)
        with pytest.raises(MalformedRecord, match="2 records cannot be read, and 1 may"):
            LogisticRegression().fit(dataset)

    def test_are_too_many_in_one_block(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.libsvm", spoil(lines(), 3, 5))
        with pytest.raises(MalformedRecord, match=r"a\.libsvm:6"):
            LogisticRegression().fit(Dataset(path, on_bad_record="skip:1"))

    def test_are_left_out_of_csv_too(self, tmp_path: Path) -> None:
        rows = [f"{i % 2},{i}.5,{i}\n" for i in range(50)]
        rows[20] = "1,text,3\n"
        path = write(tmp_path / "a.csv", ["y,a,b\n", *rows])
        dataset = Dataset(path, label="y", on_bad_record="skip:2", block_size=64)
        assert sum(dataset.read(block.index).rows for block in dataset.blocks) == 49

    def test_are_described(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.libsvm", lines())
        dataset = Dataset(path, on_bad_record="skip:3")
        again = Dataset.from_description(dataset.describe() or {})
        assert again.bad_records == 3
        assert again.digest() == dataset.digest() != Dataset(path).digest()


class TestBlocks:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path / "a.libsvm", spoil(lines(), 200))

    @pytest.mark.parametrize("engine", ENGINES)
    def test_are_left_out_and_accounted_for(self, path: Path, engine: str) -> None:
        events: list[object] = []
        dataset = Dataset(path, block_size=1000)
        model = LogisticRegression(l2=0.1).fit(
            dataset, engine=engine, on_bad_block="skip:1", listeners=(events.append,)
        )
        (skipped,) = [event for event in events if isinstance(event, BlockSkipped)]
        assert model.fit_.skipped_blocks == (skipped.block,)
        assert "oops200" in skipped.reason
        share = dataset.blocks[skipped.block].nbytes / path.stat().st_size
        assert model.fit_.skipped_share == pytest.approx(share)
        assert model.fit_.rows == 400 - _lines_of(dataset, skipped.block, path)

    def test_give_one_digest_on_every_engine(self, path: Path) -> None:
        digests = {
            LogisticRegression(l2=0.1)
            .fit(Dataset(path, block_size=1000), engine=engine, on_bad_block="skip:1")
            .model_.digest()
            for engine in ENGINES
        }
        assert len(digests) == 1

    def test_are_too_many(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.libsvm", spoil(lines(), 3, 200))
        with pytest.raises(MalformedRecord):
            fold(Rows(), Dataset(path, block_size=1000), on_bad_block="skip:1")

    def test_are_not_left_out_for_what_is_no_fault_of_the_data(self, path: Path) -> None:
        class Broken(FoldJob):
            def map(self, block, point):
                raise RuntimeError("a bug")

        from mr.errors import TaskFailed

        with pytest.raises(TaskFailed, match="a bug"):
            fold(Broken(), Dataset(path), on_bad_block="skip:9")


def _lines_of(dataset: Dataset, index: int, path: Path) -> int:
    (piece,) = dataset.blocks[index].pieces
    data = path.read_bytes()
    starts = [0, *(i + 1 for i in range(len(data) - 1) if data[i : i + 1] == b"\n")]
    return sum(piece.start <= start < piece.stop for start in starts)


@pytest.mark.parametrize("text", ["", "skip", "skip:", "skip:0", "skip:-1", "skip:x", "maybe"])
def test_refuses_what_is_neither_fail_nor_skip(text: str) -> None:
    data = Dataset.from_arrays(np.ones((3, 1)))
    with pytest.raises(UsageError, match="neither fail nor skip"):
        fold(Rows(), data, on_bad_block=text)
