"""A job's output appears whole or not at all; deaths are in ``test_crash_points.py``."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
from committing import LAST_RUN, NEW_RUN, NEXT_RUN, OLD_RUN, content, seen, write_job

from mr.storage import commit, directory
from mr.storage.commit import Manifest
from mr.storage.errors import CorruptFile, IncompleteOutput, NotFound, StorageError, UsageError
from mr.storage.faults import PLAIN, POSIX, S3, faulty
from mr.storage.filesystem import list_files
from mr.storage.output import Output, staging
from mr.storage.success import File, Success, decode

PLACES = ["local", "memory", "posix", "s3", "plain"]


@pytest.fixture(params=PLACES)
def url(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "dir" / "out")
    elif request.param == "memory":
        yield f"memory://committing/{tmp_path.name}/out"
    else:
        with faulty({"posix": POSIX, "s3": S3, "plain": PLAIN}[request.param]) as world:
            yield f"{world.url}/dir/out"


def staged(url: str) -> Output:
    """Return an output of which all parts are written, and nothing is committed."""
    output = Output.at(url, NEW_RUN)
    commit.prepare(output)
    for number, data in enumerate(content(NEW_RUN)):
        part = commit.write_part(output, f"t{number}", f"part-{number:05d}.txt", data)
        commit.commit_task(output, f"t{number}", [part])
    return output


def manifests(output: Output) -> list[Manifest]:
    return [commit.read_manifest(output, f"t{number}") for number in range(3)]


def test_an_output_is_there_with_its_list_and_nothing_besides(url):
    write_job(url, OLD_RUN, overwrite=False)
    assert seen(url) == seen(f"{url}/") == content(OLD_RUN)
    assert directory.names_in(staging(url)) == []
    names = directory.names_in(url)
    assert (names[0], len(names)) == ("_SUCCESS", 4)
    found = decode(directory.read_bytes(f"{url}/_SUCCESS"), url)
    assert found.run == OLD_RUN
    for file in found.files:
        assert File.of(file.name, directory.read_bytes(f"{url}/{file.name}")) == file


def test_nothing_is_seen_before_the_commit(url):
    output = staged(url)
    assert seen(url) in ("nothing", "refused")
    commit.commit_job(output, manifests(output))
    assert seen(url) == content(NEW_RUN)


def test_an_output_that_is_there_is_refused_before_any_work(url):
    write_job(url, OLD_RUN, overwrite=False)
    with pytest.raises(UsageError, match=r"(?s)cannot be written there.*overwrite"):
        commit.prepare(Output.at(url, NEW_RUN))
    assert seen(url) == content(OLD_RUN)


def test_an_output_is_replaced_as_a_whole_and_only_then(url):
    write_job(url, OLD_RUN, overwrite=False, parts=4)
    output = Output.at(url, NEW_RUN)
    commit.prepare(output, overwrite=True)
    part = commit.write_part(output, "t0", "part-00000.txt", b"new")
    accepted = [commit.commit_task(output, "t0", [part])]
    assert seen(url) == content(OLD_RUN, 4)
    commit.commit_job(output, accepted, overwrite=True)
    assert seen(url) == (b"new",)
    assert len(directory.names_in(url)) == 2


def test_a_file_of_that_name_is_never_replaced(url):
    from mr.storage.atomic import write_bytes

    write_bytes(url, b"precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="a file has the name"):
            commit.prepare(Output.at(url), overwrite=overwrite)
    assert directory.read_bytes(url) == b"precious"


def test_an_empty_directory_is_room_enough(tmp_path):
    (tmp_path / "out").mkdir()
    write_job(str(tmp_path / "out"), NEW_RUN, overwrite=False)
    assert seen(str(tmp_path / "out")) == content(NEW_RUN)


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_job("out/", NEW_RUN, overwrite=False)
    monkeypatch.chdir("/")
    assert seen(str(tmp_path / "out")) == content(NEW_RUN)
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208 - names are all that matter


def test_each_stage_can_be_repeated(url):
    output = staged(url)
    commit.prepare(output)
    for number, data in enumerate(content(NEW_RUN)):
        part = commit.write_part(output, f"t{number}", f"part-{number:05d}.txt", data)
        commit.commit_task(output, f"t{number}", [part])
    accepted = manifests(output)
    first = commit.commit_job(output, accepted)
    assert commit.commit_job(output, accepted) == first
    assert commit.recover(url) == first
    assert commit.recover(url) == first
    assert seen(url) == content(NEW_RUN)


def test_of_two_attempts_the_first_accepted_wins(url):
    output = staged(url)
    other = commit.write_part(output, "t0b", "part-00000.txt", b"another's")
    second = commit.commit_task(output, "t0b", [other])
    commit.write_part(output, "t9", "part-00009.txt", b"of an attempt that was not accepted")
    commit.commit_job(output, [*manifests(output), second])
    assert seen(url) == content(NEW_RUN)


def test_what_an_attempt_writes_late_is_never_seen(url):
    write_job(url, OLD_RUN, overwrite=False)
    late = Output.at(url, OLD_RUN)
    part = commit.write_part(late, "t0a9", "part-00000.txt", b"from the grave")
    commit.commit_task(late, "t0a9", [part])
    assert seen(url) == content(OLD_RUN)
    write_job(url, NEW_RUN, overwrite=True)
    assert seen(url) == content(NEW_RUN)
    commit.recover(url)
    assert seen(url) == content(NEW_RUN)
    assert directory.names_in(staging(url)) == []


def test_a_job_that_fails_leaves_nothing(url):
    commit.abort(staged(url))
    assert seen(url) == "nothing"
    write_job(url, OLD_RUN, overwrite=False)
    commit.abort(staged_over(url))
    assert seen(url) == content(OLD_RUN)
    assert directory.names_in(staging(url)) == []


def staged_over(url: str) -> Output:
    output = Output.at(url, NEW_RUN)
    commit.prepare(output, overwrite=True)
    commit.write_part(output, "t0", "part-00000.txt", b"never seen")
    return output


def test_of_two_jobs_at_once_one_has_the_output(url):
    first, second = staged(url), Output.at(url, NEXT_RUN)
    commit.prepare(second)
    part = commit.write_part(second, "t0", "part-00000.txt", b"of the other job")
    accepted = [commit.commit_task(second, "t0", [part])]
    commit.commit_job(first, manifests(first))
    with pytest.raises((UsageError, StorageError)):
        commit.commit_job(second, accepted)
    commit.abort(second)
    commit.recover(url)
    assert seen(url) == content(NEW_RUN)


def test_the_guard_is_asked_before_the_output_is_decided(url):
    output = staged(url)

    def refuse() -> None:
        raise StorageError("no longer the driver")

    with pytest.raises(StorageError, match="no longer"):
        commit.commit_job(output, manifests(output), guard=refuse)
    assert seen(url) in ("nothing", "refused")
    commit.recover(url)
    assert seen(url) == "nothing"


def test_an_attempt_that_did_not_end_has_no_list(url):
    output = Output.at(url, NEW_RUN)
    commit.write_part(output, "t0", "part-00000.txt", b"")
    with pytest.raises(NotFound):
        commit.read_manifest(output, "t0")


@pytest.mark.parametrize("run", ["short", "with-dash", "a/b/c/d/e", "", "x" * 65])
def test_runs_whose_files_could_not_be_told_apart_are_refused(run):
    with pytest.raises(UsageError, match="does not name a run"):
        Output.at("/out", run)


# -- readers ------------------------------------------------------------------------------------


def committed(tmp_path: Path) -> Path:
    write_job(str(tmp_path / "out"), LAST_RUN, overwrite=False)
    return tmp_path / "out"


def test_what_the_list_does_not_name_is_left_out_with_a_warning(tmp_path, caplog):
    out = committed(tmp_path)
    (out / "part-00009.txt").write_bytes(b"a stranger")
    with caplog.at_level(logging.WARNING):
        assert seen(str(out)) == content(LAST_RUN)
    assert "part-00009.txt" in caplog.text


def test_a_file_that_is_gone_is_named(tmp_path):
    out = committed(tmp_path)
    (out / "part-00001.txt").unlink()
    with pytest.raises(IncompleteOutput, match=r"(?s)is gone.*part-00001.txt.*remedy"):
        list_files(out)


def test_a_file_of_another_size_is_named(tmp_path):
    out = committed(tmp_path)
    (out / "part-00001.txt").write_bytes(b"cut")
    with pytest.raises(CorruptFile, match=r"(?s)3 bytes in place of.*part-00001.txt"):
        list_files(out)


def test_a_damaged_list_is_never_believed(tmp_path):
    out = committed(tmp_path)
    whole = (out / "_SUCCESS").read_bytes()
    for at in range(12, len(whole) - 1):
        (out / "_SUCCESS").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptFile, match="fails its checksum"):
            list_files(out)
    for end in range(12, len(whole) - 2):
        (out / "_SUCCESS").write_bytes(whole[:end])
        with pytest.raises(CorruptFile):
            list_files(out)


@pytest.mark.parametrize("mark", [b"", b'{"name": "org.apache.hadoop/SuccessData"}', b"\xff"])
def test_others_marks_promise_nothing(mark, tmp_path):
    (tmp_path / "_SUCCESS").write_bytes(mark)
    (tmp_path / "part-0").write_bytes(b"x")
    assert seen(str(tmp_path)) == (b"x",)


def test_a_directory_in_the_making_is_refused(tmp_path):
    (tmp_path / "_temporary" / "0").mkdir(parents=True)
    (tmp_path / "_temporary" / "0" / "part-0").write_bytes(b"half")
    (tmp_path / "part-0").write_bytes(b"x")
    with pytest.raises(IncompleteOutput, match=r"(?s)not complete.*remedy: wait"):
        list_files(tmp_path)
    (tmp_path / "_SUCCESS").write_bytes(b"")
    assert seen(str(tmp_path)) == (b"x",)


def test_a_list_of_another_version_is_named():
    data = Success(LAST_RUN, ()).encode()
    assert decode(data, "a") == Success(LAST_RUN, ())
    other = json.dumps({"gradfold": 2}).encode()
    import hashlib

    with pytest.raises(CorruptFile, match="another version"):
        decode(other + b"\n" + hashlib.sha256(other).hexdigest().encode() + b"\n", "a")
