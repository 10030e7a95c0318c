"""The faulty storage does to operations what its plan says, and otherwise behaves as its kind."""

from __future__ import annotations

import fsspec
import pytest

from mr.storage import directory
from mr.storage.atomic import replacing, write_bytes
from mr.storage.capabilities import Capabilities, capabilities, declare
from mr.storage.errors import NotFound, StorageError, Unreachable, UsageError
from mr.storage.exclusive import create_exclusively
from mr.storage.faults import MEMORY, PLAIN, POSIX, S3, Fault, Killed, Kind, World, faulty
from mr.storage.filesystem import list_files, read_range
from mr.storage.patience import patiently

KINDS = [POSIX, MEMORY, S3, PLAIN]


@pytest.fixture(params=["in memory", "on disk"])
def root(request, tmp_path):
    if request.param == "in memory":
        return None
    (tmp_path / "root").mkdir()
    return str(tmp_path / "root")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def world(request, root):
    with faulty(request.param, root) as world:
        yield world


# -- without faults ----------------------------------------------------------------------------


def test_files_are_written_read_listed_and_removed(world: World):
    url = f"{world.url}/dir"
    write_bytes(f"{url}/a", b"old")
    write_bytes(f"{url}/a", [b"ne", b"w"])
    with replacing(f"{url}/sub/b") as file:
        file.write(b"bb")
    assert directory.read_bytes(f"{url}/a") == b"new"
    assert read_range(f"{url}/a", 1, 3) == b"ew"
    assert directory.names_in(url) == ["a", "sub"]
    assert directory.sizes_below(url) == {"a": 3, "sub/b": 2}
    assert [(file.uri, file.size) for file in list_files(url)] == [
        (f"{url}/a", 3),
        (f"{url}/sub/b", 2),
    ]
    assert (directory.kind_of(url), directory.kind_of(f"{url}/a")) == ("directory", "file")
    directory.copy(f"{url}/a", f"{url}/c")
    directory.remove(f"{url}/a")
    directory.remove(f"{url}/a")
    assert world.fs().files() == ["/dir/c", "/dir/sub/b"]
    directory.remove_tree(url)
    directory.remove_tree(url)
    assert directory.kind_of(url) is None
    assert directory.names_in(url) == []
    with pytest.raises(NotFound):
        directory.read_bytes(f"{url}/a")


@pytest.mark.parametrize("kind", [POSIX])
def test_directories_are_renamed_at_once_and_never_onto_others(kind: Kind, root):
    with faulty(kind, root) as world:
        for name in ("one/a", "one/sub/b", "two/c"):
            write_bytes(f"{world.url}/{name}", name.encode())
        with pytest.raises(StorageError):
            directory.move(f"{world.url}/one", f"{world.url}/two")
        with pytest.raises(NotFound):
            directory.move(f"{world.url}/none", f"{world.url}/new")
        world.restart()
        directory.move(f"{world.url}/one", f"{world.url}/three")
        assert [words.split()[0] for words in world.log] == ["mkdir", "rename"]
        assert world.fs().files() == ["/three/a", "/three/sub/b", "/two/c"]
        assert directory.kind_of(f"{world.url}/one") is None


@pytest.mark.parametrize("kind", [MEMORY, S3, PLAIN], ids=lambda kind: kind.name)
def test_there_are_no_renames_where_none_are_declared(kind: Kind):
    with faulty(kind) as world:
        write_bytes(f"{world.url}/a", b"")
        with pytest.raises(NotImplementedError):
            directory.move(f"{world.url}/a", f"{world.url}/b")


def test_capabilities_are_those_of_the_kind_and_gone_with_it():
    with faulty(POSIX, name="declared") as world:
        assert capabilities(f"{world.url}/a") is POSIX.promises
    assert capabilities("faulty://declared/a") == Capabilities(atomic_rename=False)
    with pytest.raises(NotFound):
        directory.read_bytes("faulty://declared/a")


def test_what_a_storage_promises_can_be_declared():
    assert not capabilities("webhdfs://nn/a").exclusive_create
    declare("webhdfs://nn/", Capabilities(atomic_rename=True, exclusive_create=True))
    assert capabilities("webhdfs://nn/a").exclusive_create
    declare("webhdfs://nn/", None)
    assert not capabilities("webhdfs://nn/a").exclusive_create


@pytest.mark.parametrize(
    ("installed", "promised"),
    [("2025.5.1", False), ("2025.7.0", True), ("2026.2.0", True), (None, False)],
)
def test_a_conditional_put_hangs_on_the_driver_s_version(installed, promised, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from mr.storage import capabilities as module

    def version(package):
        if installed is None:
            raise PackageNotFoundError(package)
        return installed

    monkeypatch.setattr(module, "version", version)
    module._puts_conditionally.cache_clear()
    assert capabilities("s3://bucket/a").exclusive_create is promised
    module._puts_conditionally.cache_clear()


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "there"),
    [
        (Fault.FAIL, StorageError, False),
        (Fault.TRANSIENT, Unreachable, False),
        (Fault.UNACKNOWLEDGED, Unreachable, True),
        (Fault.TORN, StorageError, False),
        (Fault.KILL, Killed, False),
        (Fault.KILL_AFTER, Killed, True),
        (Fault.KILL_TORN, Killed, False),
    ],
)
def test_a_put_meets_its_fault(fault: Fault, error: type, there: bool):
    with faulty(S3) as world:
        world.restart({1: fault})
        with pytest.raises(error) as caught:
            write_bytes(f"{world.url}/a", b"whole")
        assert type(caught.value) is error
        assert world.fs().files() == (["/a"] if there else [])
        assert world.log == ["put /a"]
        assert world.dead is fault.kills


@pytest.mark.parametrize("fault", [Fault.TORN, Fault.KILL_TORN])
def test_where_files_grow_half_of_one_may_be_left(fault: Fault, root):
    with faulty(POSIX, root) as world:
        fs = fsspec.url_to_fs(f"{world.url}/a")[0]
        world.restart({2: fault})
        with pytest.raises((OSError, Killed)), fs.open("/a", "wb") as file:
            file.write(b"12345678")
        assert world.fs().cat_file("/a") == b"1234"


def test_nothing_happens_after_a_death_not_even_cleaning_up(root):
    with faulty(POSIX, root) as world:
        world.restart({4: Fault.KILL})  # the rename
        with pytest.raises(Killed):
            write_bytes(f"{world.url}/d/a", b"whole")
        for act in (
            lambda: directory.names_in(world.url),
            lambda: write_bytes(f"{world.url}/b", b""),
            lambda: directory.remove(f"{world.url}/d/a"),
        ):
            with pytest.raises(Killed):
                act()
        (left,) = world.fs().files()
        assert left.endswith(".part")
        world.restart()
        write_bytes(f"{world.url}/d/a", b"whole")
        assert directory.read_bytes(f"{world.url}/d/a") == b"whole"


# -- what is built on it -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.UNACKNOWLEDGED])
def test_patience_outlasts_what_passes(fault: Fault):
    slept: list[float] = []
    with faulty(S3) as world:
        world.restart({1: fault, 2: fault, 3: fault})
        patiently(lambda: write_bytes(f"{world.url}/a", b"whole"), sleep=slept.append)
        assert slept == [0.1, 0.2, 0.4]
        world.restart(dict.fromkeys(range(1, 5), fault))
        with pytest.raises(Unreachable):
            patiently(lambda: write_bytes(f"{world.url}/a", b"whole"), sleep=slept.append)
        world.restart({1: Fault.FAIL})
        with pytest.raises(StorageError):
            patiently(lambda: write_bytes(f"{world.url}/a", b"whole"), sleep=pytest.fail)


EXCLUSIVE = ["faulty posix", "faulty memory", "faulty s3", "local", "memory"]


@pytest.fixture(params=EXCLUSIVE)
def url(request, tmp_path):
    where, _, name = request.param.partition(" ")
    if where == "local":
        yield str(tmp_path / "dir")
    elif where == "memory":
        yield f"memory://exclusive/{tmp_path.name}"
    else:
        with faulty({kind.name: kind for kind in KINDS}[name]) as world:
            yield f"{world.url}/dir"


def test_a_name_is_given_once(url):
    assert create_exclusively(f"{url}/a", b"mine")
    assert not create_exclusively(f"{url}/a", b"another's")
    assert create_exclusively(f"{url}/a", b"mine")
    assert directory.read_bytes(f"{url}/a") == b"mine"
    assert directory.names_in(url) == ["a"]


def test_of_many_one_gets_the_name(url):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: create_exclusively(f"{url}/a", b"%d" % n), range(8)))
    assert won.count(True) == 1
    assert directory.read_bytes(f"{url}/a") == b"%d" % won.index(True)


@pytest.mark.parametrize("kind", [POSIX, MEMORY, S3], ids=lambda kind: kind.name)
def test_a_claim_that_was_not_acknowledged_is_a_claim(kind: Kind):
    with faulty(kind) as world:
        uri = f"{world.url}/d/a"
        at = {"posix": 4, "memory": 2, "s3": 1}[kind.name]
        world.restart({at: Fault.UNACKNOWLEDGED})
        assert create_exclusively(uri, b"mine")
        world.restart({at: Fault.UNACKNOWLEDGED})
        assert not create_exclusively(uri, b"another's")


def test_without_hard_links_the_name_is_still_given_once(tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    def refuse(self, target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    uri = str(tmp_path / "a")
    assert create_exclusively(uri, b"mine")
    assert not create_exclusively(uri, b"another's")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_storage_that_promises_nothing_is_refused():
    with faulty(PLAIN) as world, pytest.raises(UsageError, match="only if there is none"):
        create_exclusively(f"{world.url}/a", b"")
