"""A small job whose output is committed, and what may be seen of it; for tests of commits."""

from __future__ import annotations

from mr.storage import commit
from mr.storage.directory import read_bytes
from mr.storage.errors import GradfoldError, IncompleteOutput, NotFound
from mr.storage.filesystem import list_files
from mr.storage.output import Output

OLD_RUN, NEW_RUN, NEXT_RUN = "run00000old", "run00000new", "run0000next"

Content = tuple[bytes, ...]


def content(run: str, parts: int = 3) -> Content:
    """Return what a run writes, in order."""
    return tuple(f"{run}, part {number}\n".encode() * (number + 1) for number in range(parts))


def write_job(url: str, run: str, *, overwrite: bool, parts: int = 3) -> None:
    """Write an output as a job does, with an attempt that loses and one that never ends."""
    output = Output.at(url, run)
    commit.prepare(output, overwrite=overwrite)
    manifests = []
    for number, data in enumerate(content(run, parts)):
        name = f"part-{number:05d}.txt"
        part = commit.write_part(output, f"t{number}a0", name, data)
        manifests.append(commit.commit_task(output, f"t{number}a0", [part]))
    lost = commit.write_part(output, "t0a1", "part-00000.txt", b"of an attempt that lost")
    manifests.append(commit.commit_task(output, "t0a1", [lost]))
    commit.write_part(output, "t1a1", "part-00001.txt", b"of an attempt that never ended")
    commit.commit_job(output, manifests, overwrite=overwrite)


def seen(url: str) -> Content | str:
    """Return what a reader sees: the files' content in order, or why it sees none."""
    try:
        return tuple(read_bytes(file.uri) for file in list_files(url))
    except NotFound:
        return "nothing"
    except IncompleteOutput:
        return "refused"
    except GradfoldError as error:
        return f"an error: {error}"
