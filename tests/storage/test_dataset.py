"""Datasets: records selected by what they are, whatever the cut."""

from __future__ import annotations

import pickle
from itertools import chain

import numpy as np
import pytest

from mr import Dataset
from mr.storage.columns import Columns, concatenate
from mr.storage.errors import EmptyDataset, MixedFormats, NotFound, SchemaMismatch, UsageError

Record = tuple[int, int]
ROWS = 997


def records(data: Dataset) -> list[Record]:
    """Return the identities of all selected records, in order."""
    parts = [data.read(block.index) for block in data.blocks]
    found = concatenate(parts)
    return list(zip(found.ordinal.tolist(), found.position.tolist(), strict=True))


@pytest.fixture
def directory(tmp_path):
    """Three files of lines of different lengths."""
    rng = np.random.default_rng(4)
    place = tmp_path / "data"
    place.mkdir()
    for name, count in (("a", 500), ("b", 490), ("c", 7)):
        lines = [
            f"{rng.integers(2)} 1:{rng.integers(10 ** int(rng.integers(1, 9)))}\n"
            for _ in range(count)
        ]
        (place / f"{name}.libsvm").write_text("".join(lines))
    return place


class TestSplit:
    @pytest.mark.parametrize("shares", [[0.8, 0.2], [1, 1, 1], [0.001, 0.999], [5]])
    def test_parts_are_disjoint_complete_and_in_order(self, directory, shares, seed):
        whole = Dataset(directory, block_size=2000)
        parts = [records(part) for part in whole.random_split(shares, seed=seed)]
        assert sorted(chain(*parts)) == records(whole)
        assert len(records(whole)) == ROWS
        assert all(part == sorted(part) for part in parts)

    def test_has_about_the_shares_asked_for(self):
        data = Dataset.from_arrays(np.zeros((20_000, 1)))
        train, test = data.random_split([0.8, 0.2], seed=7)
        assert abs(len(records(train)) - 16_000) < 300
        assert len(records(train)) + len(records(test)) == 20_000

    @pytest.mark.parametrize("block_size", [60, 1000, 4001, 1 << 20])
    def test_depends_on_no_block(self, directory, block_size, seed):
        expected = records(Dataset(directory).random_split([0.5, 0.5], seed=seed)[0])
        data = Dataset(directory, block_size=block_size)
        assert records(data.random_split([0.5, 0.5], seed=seed)[0]) == expected

    def test_depends_on_the_seed_alone(self, directory):
        data = Dataset(directory)
        one, again, other = (records(data.random_split([1, 1], seed=s)[0]) for s in (1, 1, 2))
        assert one == again != other

    def test_splits_of_parts_are_independent(self):
        data = Dataset.from_arrays(np.zeros((20_000, 1)))
        first, _ = data.random_split([0.5, 0.5], seed=7)
        inner, _ = first.random_split([0.5, 0.5], seed=7)
        assert 4_700 < len(records(inner)) < 5_300
        assert set(records(inner)) < set(records(first))

    def test_a_record_keeps_its_part_when_files_are_added_after_it(self, directory):
        before = records(Dataset(directory).random_split([0.5, 0.5], seed=3)[0])
        (directory / "d.libsvm").write_text("1 1:1\n" * 100)
        after = records(Dataset(directory).random_split([0.5, 0.5], seed=3)[0])
        assert [record for record in after if record[0] < 3] == before

    @pytest.mark.parametrize(
        "shares", [[], [0.5, 0], [-1, 2], [float("nan"), 1], [float("inf"), 1]]
    )
    def test_refuses_shares_that_cannot_be(self, shares):
        with pytest.raises(UsageError, match="not all positive"):
            Dataset.from_arrays(np.zeros((1, 1))).random_split(shares)

    def test_takes_arrays_for_shares_and_numpy_seeds(self):
        data = Dataset.from_arrays(np.zeros((50, 1)))
        one = data.random_split(np.array([0.5, 0.5]), seed=np.int64(3))[0]
        assert records(one) == records(data.random_split([0.5, 0.5], seed=3)[0])


class TestSample:
    def test_has_about_its_share_of_records_that_are_there(self, seed):
        data = Dataset.from_arrays(np.zeros((20_000, 1)))
        found = records(data.sample(0.1, seed=seed))
        assert 1_700 < len(found) < 2_300
        assert set(found) < set(records(data))
        assert records(data.sample(1.0)) == records(data)

    def test_is_independent_of_a_split_with_the_same_seed(self):
        data = Dataset.from_arrays(np.zeros((20_000, 1)))
        part = data.random_split([0.5, 0.5], seed=3)[0]
        both = set(records(part)) & set(records(data.sample(0.5, seed=3)))
        assert 4_700 < len(both) < 5_300

    @pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
    def test_refuses_shares_that_cannot_be(self, share):
        with pytest.raises(UsageError, match="between 0 and 1"):
            Dataset.from_arrays(np.zeros((1, 1))).sample(share)


def test_the_whole_has_no_selection(directory):
    data = Dataset(directory)
    part = data.random_split([0.5, 0.5])[0].sample(0.5)
    assert records(part.whole()) == records(data)
    assert part.whole().digest() == data.digest() != part.digest()


def test_selected_records_keep_all_their_columns():
    X = np.arange(40.0).reshape(20, 2)
    data = Dataset.from_arrays(X, X[:, 0], weight=X[:, 1], id=np.arange(20))
    found: Columns = data.sample(0.5, seed=1).read(0)
    rows = found.position
    assert 0 < len(rows) < 20
    assert found.features.tolist() == X[rows].tolist()
    assert found.labels.tolist() == X[rows, 0].tolist()
    assert found.weights.tolist() == X[rows, 1].tolist()
    assert found.ids.tolist() == rows.tolist()


class TestDescription:
    def test_makes_the_same_dataset_again(self, directory):
        data = Dataset(directory, block_size=2000, features=9, dtype="float32")
        part = data.random_split([0.7, 0.3], seed=5)[1].sample(0.5, seed=6)
        again = Dataset.from_description(part.describe())
        assert again.digest() == part.digest()
        assert records(again) == records(part)
        assert again.read(0).features.width == 9

    def test_is_json(self, directory):
        import json

        part = Dataset(directory).sample(0.3)
        text = json.dumps(part.describe())
        assert Dataset.from_description(json.loads(text)).digest() == part.digest()

    def test_keeps_the_order_of_files_in_directories(self, tmp_path):
        for name in ("a/z", "a-b/x", "b", "a0"):
            path = tmp_path / f"{name}.libsvm"
            path.parent.mkdir(exist_ok=True)
            path.write_text("1 1:1\n")
        data = Dataset(tmp_path)
        assert Dataset.from_description(data.describe()).digest() == data.digest()

    def test_there_is_none_of_data_in_memory(self):
        assert Dataset.from_arrays(np.zeros((1, 1))).describe() is None


class TestDigest:
    def test_is_the_same_for_the_same(self, directory):
        assert Dataset(directory).digest() == Dataset(directory).digest()
        assert Dataset(directory).digest() == Dataset(str(directory / "*.libsvm")).digest()

    def test_changes_with_content_and_options(self, directory):
        base = Dataset(directory)
        part = base.random_split([0.5, 0.5])[0]
        found = [
            base,
            part,
            base.random_split([0.5, 0.5])[1],
            base.random_split([0.5, 0.5], seed=1)[0],
            base.sample(0.5),
            part.sample(0.5),
            Dataset(directory, block_size=100),
            Dataset(directory, dtype="float32"),
            Dataset(directory, zero_based=True),
            Dataset(directory, features=3),
            Dataset(directory, format="text"),
            Dataset(directory / "a.libsvm"),
        ]
        digests = [data.digest() for data in found]
        (directory / "a.libsvm").write_text("1 1:1\n" * 500)
        digests.append(Dataset(directory).digest())
        (directory / "b.libsvm").rename(directory / "bb.libsvm")
        digests.append(Dataset(directory).digest())
        assert len(set(digests)) == len(digests)

    def test_survives_pickling(self, directory):
        part = Dataset(directory).sample(0.5)
        assert pickle.loads(pickle.dumps(part)).digest() == part.digest()


def test_ten_thousand_small_files_make_few_blocks(tmp_path):
    for number in range(10_000):
        (tmp_path / f"{number:05d}.libsvm").write_bytes(b"1 1:2\n")
    data = Dataset(tmp_path)
    assert len(data.blocks) == 1
    assert len(data.blocks[0].pieces) == 10_000
    assert sum(block.nbytes for block in data.blocks) == 60_000
    some = Dataset(tmp_path, block_size=6000)
    assert len(some.blocks) == 10
    found = some.read(3)
    assert found.ordinal.tolist() == list(range(3000, 4000))


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"dtype": "int8"}, "dtype"),
            ({"label_type": "date"}, "label_type"),
            ({"block_size": 0}, "block size"),
            ({"block_size": -1}, "block size"),
            ({"format": "xml"}, "no format 'xml'"),
        ],
    )
    def test_options_that_cannot_be(self, directory, options, says):
        with pytest.raises(UsageError, match=says):
            Dataset(directory, **options)

    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(NotFound):
            Dataset(tmp_path / "absent.csv")

    def test_two_formats(self, directory):
        (directory / "x.csv").write_text("a\n1\n")
        with pytest.raises(MixedFormats):
            Dataset(directory)

    def test_files_that_name_different_columns(self, tmp_path):
        (tmp_path / "a.csv").write_text("x,y\n1,2\n")
        (tmp_path / "b.csv").write_text("x,z\n1,2\n")
        with pytest.raises(SchemaMismatch, match="different columns") as caught:
            Dataset(tmp_path)
        assert caught.value.place.file.endswith("b.csv")
        assert "x, z" in caught.value.cause

    @pytest.mark.parametrize("block_size", [1, 1 << 20])
    def test_matrices_of_different_widths(self, tmp_path, block_size):
        from mr.algorithms import LogisticRegression

        np.save(tmp_path / "a.npy", np.array([[0.0, 1.0, 0.0]]))
        np.save(tmp_path / "b.npy", np.array([[1.0, 1.0]]))
        data = Dataset(tmp_path, label="0", block_size=block_size)
        with pytest.raises(SchemaMismatch):
            LogisticRegression().fit(data, engine="inline")

    def test_no_records(self, tmp_path):
        (tmp_path / "a.csv").write_text("x,y\n")
        from mr.algorithms import LogisticRegression

        with pytest.raises(EmptyDataset):
            LogisticRegression().fit(Dataset(tmp_path, label="y"), engine="inline")


def test_shows_where_it_is_and_how_it_is_cut(directory):
    assert repr(Dataset(directory)) == "Dataset(libsvm, 1 block)"
    assert Dataset(directory).where.file.endswith("a.libsvm")
    assert repr(Dataset.from_arrays(np.zeros((4, 1)), block_size=8)) == "Dataset(memory, 4 blocks)"
