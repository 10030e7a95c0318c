"""Files are written whole or not at all."""

import importlib
import os

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mr.storage import atomic, scratch
from mr.storage.atomic import replacing, write_bytes
from mr.storage.directory import names_in, read_bytes
from mr.storage.errors import StorageError, UsageError


class RenamingFileSystem(MemoryFileSystem):
    """A storage that renames atomically, but will not replace, and fails on request."""

    protocol = "hdfs"
    store: dict = {}  # noqa: RUF012 - of the class, as in the base
    pseudo_dirs = [""]  # noqa: RUF012 - likewise
    failing: str | None = None

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("hdfs://nn/").lstrip("/")

    def mv(self, path1, path2, **kwargs):
        assert not kwargs or kwargs == {"overwrite": True}
        if self.failing == "mv":
            raise OSError("the rename failed")
        if self.exists(path2):
            raise FileExistsError(path2)
        self.store[path2] = self.store.pop(path1)

    def _open(self, path, mode="rb", **kwargs):
        if self.failing == "open" and "w" in mode:
            raise PermissionError(path)
        return super()._open(path, mode, **kwargs)


@pytest.fixture
def renaming(monkeypatch):
    registry = importlib.import_module("fsspec.registry")  # the package's attribute is a view
    monkeypatch.setitem(registry._registry, "hdfs", RenamingFileSystem)
    monkeypatch.setattr(RenamingFileSystem, "failing", None)
    RenamingFileSystem.store.clear()
    return RenamingFileSystem


def test_a_local_file_is_made_with_its_directories_and_replaced(tmp_path):
    path = tmp_path / "new" / "a.bin"
    write_bytes(str(path), b"first")
    write_bytes(f"file://{path}", [b"sec", bytearray(b"on"), memoryview(b"d")])
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


def test_the_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(str(tmp_path / "a"), b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_bytes(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(failure, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(handle):
        raise failure

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_bytes(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_in_the_way_is_an_error_of_storage(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(StorageError):
        write_bytes(str(tmp_path / "a"), b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_object_store_gets_one_put(monkeypatch):
    puts = []
    put = MemoryFileSystem.pipe_file
    monkeypatch.setattr(
        MemoryFileSystem,
        "pipe_file",
        lambda fs, path, value, **kw: (puts.append(path), put(fs, path, value, **kw)),
    )
    write_bytes("memory://bucket/atomic/a", [b"a", b"b"])
    write_bytes("memory://bucket/atomic/a", b"c")
    assert fsspec.filesystem("memory").cat_file("/bucket/atomic/a") == b"c"
    assert puts == ["/bucket/atomic/a"] * 2


def test_a_storage_that_renames_gets_a_file_beside(renaming):
    write_bytes("hdfs://nn/run/a", [b"o", b"ld"])
    write_bytes("hdfs://nn/run/a", b"new")
    fs = fsspec.filesystem("hdfs")
    assert fs.cat_file("/run/a") == b"new"
    assert list(fs.store) == ["/run/a"]


@pytest.mark.parametrize("failing", ["mv", "open"])
def test_a_failed_rename_leaves_nothing(renaming, failing, monkeypatch):
    monkeypatch.setattr(renaming, "failing", failing)
    with pytest.raises(StorageError):
        write_bytes("hdfs://nn/run/a", b"new")
    assert renaming.store == {}


def test_a_storage_for_reading_alone_is_named():
    with pytest.raises(UsageError, match=r"(?s)cannot be written.*remedy"):
        write_bytes("http://127.0.0.1:9/a", b"x")


# -- piece by piece -----------------------------------------------------------

TARGETS = ["{tmp}/new/a", "memory://bucket/pieces/a", "hdfs://nn/run/a"]


@pytest.mark.parametrize("target", TARGETS)
def test_pieces_are_seen_once_all_are_there(target, tmp_path, renaming):
    uri = target.format(tmp=tmp_path)
    write_bytes(uri, b"old")
    with replacing(uri) as file:
        file.write(b"first ")
        file.flush()
        assert read_bytes(uri) == b"old"
        file.write(b"second")
    assert read_bytes(uri) == b"first second"
    assert names_in(uri.rpartition("/")[0]) == ["a"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_failure_between_pieces_leaves_what_was_there(target, failure, tmp_path, renaming):
    uri = target.format(tmp=tmp_path)
    write_bytes(uri, b"old")

    def write_half():
        with replacing(uri) as file:
            file.write(b"half")
            raise failure

    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_half()
    assert read_bytes(uri) == b"old"
    assert names_in(uri.rpartition("/")[0]) == ["a"]
    assert not list(scratch.directory().glob("object-*"))


def test_pieces_for_a_storage_for_reading_alone_are_refused():
    with pytest.raises(UsageError, match="cannot be written"), replacing("http://127.0.0.1:9/a"):
        pass
