"""Listing, ranges, and what becomes of other libraries' exceptions."""

import contextlib
import errno
import os
import socket
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from mr.storage.capabilities import capabilities
from mr.storage.errors import (
    GradfoldError,
    NotFound,
    StorageError,
    Unreachable,
    UsageError,
)
from mr.storage.filesystem import (
    is_local,
    list_files,
    locate,
    open_input,
    read_range,
)
from mr.storage.translate import translate, translated


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def names_of(source) -> list[str]:
    return [file.name for file in list_files(source)]


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture
def server(tmp_path):
    """Serve the test's directory over HTTP on this machine, without ranges."""
    pytest.importorskip("aiohttp")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            if "forbidden" in self.path or "broken" in self.path:
                self.send_error(403 if "forbidden" in self.path else 503)
            else:
                super().do_GET()

        def do_HEAD(self):
            self.do_GET()

    def handler(*arguments):
        return Quiet(*arguments, directory=str(tmp_path))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_file_a_directory_a_glob_and_a_list(tmp_path):
    tree(tmp_path, "b.csv", "a.csv", "sub/c.csv", "sub/d.txt")
    assert names_of(tmp_path / "b.csv") == ["b.csv"]
    assert names_of(tmp_path) == ["a.csv", "b.csv", "sub/c.csv", "sub/d.txt"]
    assert names_of(f"{tmp_path}/") == names_of(tmp_path)
    assert names_of(f"{tmp_path}/*.csv") == ["a.csv", "b.csv"]
    assert names_of(f"{tmp_path}/**/*.csv") == ["a.csv", "b.csv", "sub/c.csv"]
    assert names_of(f"{tmp_path}/s*") == ["sub/c.csv", "sub/d.txt"]
    assert names_of([tmp_path / "sub", str(tmp_path / "a.csv")]) == [
        "a.csv",
        "sub/c.csv",
        "sub/d.txt",
    ]
    assert names_of([f"{tmp_path}/*.csv"]) == ["a.csv", "b.csv"]
    assert names_of([tmp_path / "sub" / "c.csv"]) == ["c.csv"]


def test_a_list_is_in_the_order_of_names_whatever_its_own(tmp_path):
    tree(tmp_path, "a", "b", "c")
    paths = [tmp_path / name for name in "cab"]
    assert list_files(paths) == list_files(sorted(paths)) == list_files(tmp_path)


def test_hidden_names_are_skipped_unless_given_in_full(tmp_path):
    tree(tmp_path, "_SUCCESS", ".crc/x", "a/_temporary/0", "a/part-0", "b._x")
    assert names_of(tmp_path) == ["a/part-0", "b._x"]
    assert names_of(f"{tmp_path}/*") == ["a/part-0", "b._x"]
    assert names_of(tmp_path / "_SUCCESS") == ["_SUCCESS"]
    assert names_of(tmp_path / "a" / "_temporary") == ["0"]


def test_a_name_with_the_signs_of_a_pattern_is_a_name_where_it_exists(tmp_path):
    tree(tmp_path, "a[1].csv", "a1.csv")
    assert names_of(tmp_path / "a[1].csv") == ["a[1].csv"]


def test_relative_paths_become_qualified(tmp_path, monkeypatch):
    tree(tmp_path, "a b.csv")
    monkeypatch.chdir(tmp_path)
    (file,) = list_files("a b.csv")
    assert file.uri == f"file://{tmp_path}/a b.csv"
    with fsspec.open(file.uri) as handle:
        assert handle.read() == b"a b.csv"


def test_versions_change_with_the_content(tmp_path):
    path = tree(tmp_path, "a") / "a"
    first = list_files(path)[0]
    assert first == list_files(path)[0]
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert list_files(path)[0].version != first.version
    (tmp_path / "new").write_bytes(path.read_bytes())
    second = list_files(path)[0]
    os.utime(tmp_path / "new", ns=(0, path.stat().st_mtime_ns))
    (tmp_path / "new").replace(path)
    assert list_files(path)[0].version != second.version


def test_memory(memory):
    memory.pipe({"/box/b.csv": b"bb", "/box/sub/a.csv": b"a", "/box/_x": b""})
    files = list_files("memory://box")
    assert [(f.uri, f.name, f.size) for f in files] == [
        ("memory:///box/b.csv", "b.csv", 2),
        ("memory:///box/sub/a.csv", "sub/a.csv", 1),
    ]
    assert list_files("memory://box/*.csv") == files[:1]
    memory.pipe_file("/box/b.csv", b"cc")
    assert list_files("memory://box")[0].version != files[0].version
    assert read_range(files[0].uri, 1, 2) == b"c"
    assert not is_local(files[0].uri)


def test_members_of_an_archive(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/a.csv", "x\n1\n")
        archive.writestr("in/b.csv", "x\n2\n")
    files = list_files(f"zip://in/*.csv::file://{tmp_path}/a.zip")
    assert [file.name for file in files] == ["a.csv", "b.csv"]
    assert read_range(files[1].uri, 2, 4) == b"2\n"


def test_a_cache_in_front_of_a_storage(tmp_path):
    tree(tmp_path, "d/a.csv", "d/b.csv")
    files = list_files(f"simplecache::file://{tmp_path}/d")
    assert [file.name for file in files] == ["a.csv", "b.csv"]
    assert files[0].uri == f"simplecache::file://{tmp_path}/d/a.csv"
    assert read_range(files[0].uri, 2, 5) == b"a.c"


def test_what_is_not_there(tmp_path, memory):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nothing", f"{tmp_path}/*.csv", tmp_path / "empty", "memory://no"):
        with pytest.raises(NotFound) as caught:
            list_files(source)
        assert str(source) in caught.value.place.file
        assert caught.value.remedy
        assert caught.value.exit_status == 2
    with pytest.raises(NotFound):
        open_input(str(tmp_path / "nothing"))


def test_lists_that_are_refused(tmp_path):
    tree(tmp_path, "a")
    with pytest.raises(UsageError, match="empty"):
        list_files([])
    with pytest.raises(UsageError, match="twice"):
        list_files([tmp_path / "a", f"file://{tmp_path}/a"])
    with pytest.raises(UsageError, match="twice"):
        list_files([tmp_path, tmp_path / "a"])


def test_ten_thousand_files_are_listed_quickly(tmp_path):
    for k in range(10_000):
        os.close(os.open(tmp_path / f"{k:05}", os.O_CREAT))
    assert len(list_files(tmp_path)) == 10_000


def test_protocols_that_cannot_be_used():
    with pytest.raises(UsageError, match=r"(?s)not known.*nosuch"):
        locate("nosuch://a/b")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [("s3://b/k", "gradfold[s3]"), ("gs://b/k", "gradfold[gcs]"), ("http://h/k", "gradfold[http]")],
)
def test_a_missing_driver_is_told_with_the_extra_that_brings_it(url, remedy):
    error = translate(ImportError("Install x to access y"), url)
    assert isinstance(error, UsageError)
    assert remedy in error.remedy
    assert error.cause == "Install x to access y"


def test_hdfs_without_a_driver_is_a_matter_of_usage():
    error = translate(OSError("Unable to load libjvm: no such file"), "hdfs://nn/a")
    assert isinstance(error, UsageError)
    assert "gradfold[hadoop]" in error.remedy


def caused(outer: Exception, inner: Exception) -> Exception:
    with contextlib.suppress(type(outer)):
        raise outer from inner
    return outer


class ClientConnectorError(Exception):
    """As aiohttp names it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("a"), NotFound),
        (FileNotFoundError(errno.ENOENT, "No such file", "connection refused"), NotFound),
        (PermissionError(errno.EACCES, "Permission denied"), StorageError),
        (RuntimeError("AccessControlException: Permission denied: user=x"), StorageError),
        (ConnectionResetError("x"), Unreachable),
        (TimeoutError("x"), Unreachable),
        (socket.gaierror(-2, "Name or service not known"), Unreachable),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Unreachable),
        (OSError("Failed to connect to nn:9000: Connection refused"), Unreachable),
        (RuntimeError("IO error: connection refused"), Unreachable),
        (ClientConnectorError("x"), Unreachable),
        (caused(FileNotFoundError("u"), ClientConnectorError("x")), Unreachable),
        (caused(FileNotFoundError("u"), ConnectionRefusedError("x")), Unreachable),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), StorageError),
    ],
)
def test_exceptions_become_ours(error, kind):
    with pytest.raises(GradfoldError) as caught, translated("hdfs://nn/a"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.retryable is (kind is Unreachable)
    assert caught.value.place.file == "hdfs://nn/a"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), UsageError("x"), MemoryError()])
def test_other_exceptions_pass(error):
    with pytest.raises(type(error)) as caught, translated("a"):
        raise error
    assert caught.value is error


def test_http(server, tmp_path):
    tree(tmp_path, "data/a.csv", "data/b.csv")
    (file,) = list_files(f"{server}/data/a.csv")
    assert (file.uri, file.name, file.size) == (f"{server}/data/a.csv", "a.csv", 10)
    # This server answers any range with the whole file.
    assert read_range(file.uri, 5, 8) == b"a.c"
    assert file.version
    with pytest.raises(NotFound):
        list_files(f"{server}/data/none.csv")
    with pytest.raises(StorageError, match="denied"):
        list_files(f"{server}/forbidden.csv")
    with pytest.raises(Unreachable):
        list_files(f"{server}/broken.csv")


def test_a_server_that_is_not_there():
    pytest.importorskip("aiohttp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"(?s)127.0.0.1:{port}/a.csv.*try again"):
            list_files(f"http://127.0.0.1:{port}/a.csv")


def test_capabilities_are_declared():
    for uri in ("/a", "file:///a", "hdfs://nn/a"):
        assert capabilities(uri).atomic_rename
    for uri in ("memory://a", "s3://b/a", "gs://b/a", "http://h/a", "simplecache::s3://b/a"):
        assert not capabilities(uri).atomic_rename
    assert not capabilities("https://h/a").writable


class HostFileSystem(LocalFileSystem):
    """A storage whose host is in the URL and not in its paths, as HDFS's is."""

    protocol = "hdfs"

    def __init__(self, host=None, **options):
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path):
        return LocalFileSystem._strip_protocol(path.removeprefix("hdfs://nn:9000"))

    @staticmethod
    def _get_kwargs_from_urls(url):
        return {"host": "nn"} if "nn:9000" in url else {}


def test_the_host_stays_in_the_uri(tmp_path, monkeypatch):
    import importlib

    registry = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(registry._registry, "hdfs", HostFileSystem)
    tree(tmp_path, "d/a", "d/b")
    files = list_files(f"hdfs://nn:9000{tmp_path}/d")
    assert [f.uri for f in files] == [f"hdfs://nn:9000{tmp_path}/d/{name}" for name in "ab"]
    assert [f.name for f in files] == ["a", "b"]
    assert read_range(files[0].uri, 0, 2) == b"d/"
