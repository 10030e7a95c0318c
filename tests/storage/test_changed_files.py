"""A file that changes after it was listed: no model of two versions of the data."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mr import Dataset
from mr.errors import NotFound, StorageError


@pytest.fixture
def listed(tmp_path):
    """Return a path, and the dataset that was made of it."""
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(12.0).reshape(6, 2))
    return path, Dataset(path)


def test_one_that_is_written_anew_is_refused(listed):
    path, dataset = listed
    np.save(path, np.ones((6, 2)))
    with pytest.raises(StorageError, match="changed after it was listed") as caught:
        dataset.read(0)
    assert caught.value.place.file == path.as_uri()
    assert caught.value.remedy


def test_one_that_is_replaced_is_refused(listed, tmp_path):
    path, dataset = listed
    np.save(tmp_path / "longer", np.ones((60, 2)))
    (tmp_path / "longer.npy").replace(path)
    with pytest.raises(StorageError, match="changed"):
        dataset.read(0)


def test_one_that_is_cut_short_is_refused(listed):
    path, dataset = listed
    os.truncate(path, 140)
    with pytest.raises(StorageError, match="changed"):
        dataset.read(0)


def test_one_that_is_gone_is_not_found(listed):
    path, dataset = listed
    path.unlink()
    with pytest.raises(NotFound):
        dataset.read(0)


def test_one_that_changes_while_it_is_read_is_refused(listed, monkeypatch):
    path, dataset = listed
    read = dataset.source.format.read

    def slow(*arguments):
        columns = read(*arguments)
        np.save(path, np.ones((6, 2)))
        return columns

    monkeypatch.setattr(dataset.source.format, "read", slow)
    with pytest.raises(StorageError, match="changed"):
        dataset.read(0)


def test_of_one_that_grows_what_was_listed_is_read(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n2\n")
    dataset = Dataset(path)
    with path.open("a") as file:
        file.write("3\n")
    assert dataset.read(0).features.tolist() == [[1.0], [2.0]]
