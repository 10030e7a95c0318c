"""The cache of blocks: bounded, whole, and never a source of truth."""

from __future__ import annotations

import errno
import os
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mr.storage import cache as module
from mr.storage.cache import BlockCache
from mr.storage.container import pack

SIZE = len(pack({}, {"x": np.zeros(100)}))
HOUR = 3600


def entry(value: float = 0.0) -> dict[str, np.ndarray]:
    return {"x": np.full(100, value)}


def key(number: int) -> str:
    return f"{number:02d}key"


def held(cache: BlockCache) -> list[str]:
    return sorted(path.stem for path in cache.directory.glob("*/*.gfc"))


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def age(cache: BlockCache, name: str, hours: float) -> None:
    path = cache._path(name)
    then = path.stat().st_mtime - hours * HOUR
    os.utime(path, (then, then))


@pytest.fixture
def cache(tmp_path) -> BlockCache:
    return BlockCache(tmp_path / "cache", 10 * SIZE)


def test_returns_what_was_put(cache):
    assert cache.get(key(1)) is None
    cache.put(key(1), {"rows": 100}, entry(3.0))
    meta, arrays = cache.get(key(1))
    assert meta == {"rows": 100}
    assert arrays["x"].tolist() == [3.0] * 100
    assert not arrays["x"].flags.writeable


def test_makes_an_entry_once(cache):
    made = []

    def make():
        made.append(1)
        return {}, entry(2.0)

    for _ in range(3):
        assert cache.get_or_make(key(1), make)[1]["x"][0] == 2.0
    assert len(made) == 1


def test_is_bounded(cache):
    for number in range(50):
        cache.put(key(number), {}, entry())
        assert size(cache.directory) <= cache.limit
    assert len(held(cache)) >= 9


def test_is_bounded_when_many_fill_it(cache):
    caches = [BlockCache(cache.directory, cache.limit) for _ in range(5)]
    for number in range(50):
        caches[number % 5].put(key(number), {}, entry())
    # Each scans once a sixteenth of the limit: so much may each be off.
    assert size(cache.directory) <= cache.limit * (1 + 5 / 16)


def test_lets_go_first_what_was_used_longest_ago(cache):
    for number in range(10):
        cache.put(key(number), {}, entry())
        age(cache, key(number), 20 - number)
    BlockCache(cache.directory, cache.limit).get(key(0))  # used by another process
    fresh = BlockCache(cache.directory, cache.limit)
    fresh.put(key(10), {}, entry())
    assert key(0) in held(cache)
    assert key(1) not in held(cache)
    assert held(cache) == [key(n) for n in (0, *range(2, 11))]


def test_an_entry_that_is_mapped_outlives_its_file(cache):
    cache.put(key(1), {}, entry(5.0))
    arrays = cache.get(key(1))[1]
    for number in range(2, 30):
        cache.put(key(number), {}, entry())
    assert key(1) not in held(cache)
    assert arrays["x"].sum() == 500.0


def test_an_entry_that_is_mapped_stays_as_it_was_when_another_is_put_in_its_place(cache):
    cache.put(key(1), {}, entry(5.0))
    before = cache.get(key(1))[1]
    cache.put(key(1), {}, entry(6.0))
    assert set(before["x"]) == {5.0}
    assert set(cache.get(key(1))[1]["x"]) == {6.0}


def test_does_not_keep_what_is_larger_than_the_limit_nor_drop_others_for_it(cache):
    cache.put(key(1), {}, entry())
    cache.put(key(2), {}, {"x": np.zeros(2000)})
    assert held(cache) == [key(1)]
    meta, arrays = cache.get_or_make(key(3), lambda: ({"a": 1}, {"x": np.ones(2000)}))
    assert (meta, arrays["x"].sum()) == ({"a": 1}, 2000.0)


def test_counts_and_drops_what_killed_writers_left(cache):
    cache.put(key(1), {}, entry())
    left = cache._path(key(1)).with_name("tmp123.part")
    left.write_bytes(bytes(9 * SIZE))
    os.utime(left, (1, 1))
    BlockCache(cache.directory, cache.limit).put(key(2), {}, entry())
    assert not left.exists()
    assert held(cache) == [key(1), key(2)]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-100] + b"\xff" + b[-99:]],
    ids=["cut", "empty", "changed"],
)
def test_a_damaged_entry_is_made_again(cache, damage):
    cache.put(key(1), {}, entry(1.0))
    path = cache._path(key(1))
    path.write_bytes(damage(path.read_bytes()))
    later = BlockCache(cache.directory, cache.limit)
    assert later.get(key(1)) is None
    assert not path.exists()
    assert later.get_or_make(key(1), lambda: ({}, entry(7.0)))[1]["x"][0] == 7.0
    assert later.get(key(1))[1]["x"][0] == 7.0


def test_checksums_are_verified_once_a_process(cache, monkeypatch):
    verified = []
    real = module.map_file

    def spy(path, *, verify):
        verified.append(verify)
        return real(path, verify=verify)

    monkeypatch.setattr(module, "map_file", spy)
    cache.put(key(1), {}, entry())
    for _ in range(3):
        cache.get(key(1))
    pickle.loads(pickle.dumps(cache)).get(key(1))
    assert verified == [True, False, False, True]


def test_an_entry_that_is_written_to_is_verified_again(cache):
    """As by a disk or another program; the checksum was right when it was mapped first."""
    cache.put(key(1), {}, entry(3.0))
    assert cache.get(key(1)) is not None
    path = cache._path(key(1))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    time.sleep(0.02)  # clocks of filesystems tick that coarsely
    path.write_bytes(data)
    assert cache.get(key(1)) is None


def test_what_cannot_be_cached_is_said_once(cache, caplog):
    cache.directory.write_text("not a directory")
    for number in range(3):
        cache.put(key(number), {}, entry())
    assert caplog.text.count("cannot be cached") == 1
    assert "GRADFOLD_CACHE" in caplog.text


def no_space(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["mkstemp", "fdopen"])
def test_a_full_disk_is_no_error(cache, monkeypatch, call):
    owner = module.tempfile if call == "mkstemp" else module.os
    monkeypatch.setattr(owner, call, no_space)
    meta, arrays = cache.get_or_make(key(1), lambda: ({"a": 1}, entry(4.0)))
    assert (meta, arrays["x"][0]) == ({"a": 1}, 4.0)
    monkeypatch.undo()
    assert list(cache.directory.rglob("*.part")) == []
    assert cache.get(key(1)) is None


def test_a_directory_that_cannot_be_used_is_no_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a directory")
    cache = BlockCache(file / "cache", 1 << 20)
    assert cache.get(key(1)) is None
    assert cache.get_or_make(key(1), lambda: ({}, entry(4.0)))[1]["x"][0] == 4.0


def test_is_made_when_first_needed(cache):
    assert not cache.directory.exists()
    cache.put(key(1), {}, entry())
    assert held(cache) == [key(1)]


def test_readers_see_entries_whole_while_many_write_and_drop(cache):
    """Four threads with caches of their own write ten keys into room for five."""
    wrong: list[object] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        own = BlockCache(cache.directory, 5 * SIZE)
        rng = np.random.default_rng(number)
        start.wait()
        try:
            for _ in range(60):
                wanted = int(rng.integers(10))
                own._verified.clear()
                found = own.get_or_make(key(wanted), lambda w=wanted: ({"w": w}, entry(float(w))))
                if found[0] != {"w": wanted} or set(found[1]["x"]) != {float(wanted)}:
                    wrong.append((wanted, found))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall show it
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert list(cache.directory.rglob("*.part")) == []
