"""A small job whose output is committed, and what may be seen of it; for tests of commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mr.storage import commit
from mr.storage.directory import read_bytes
from mr.storage.errors import GradfoldError, IncompleteOutput, NotFound, StorageError
from mr.storage.faults import Fault, Killed, Kind, World, faulty
from mr.storage.filesystem import list_files
from mr.storage.output import Output

OLD_RUN, NEW_RUN, NEXT_RUN, LAST_RUN = "run00000old", "run00000new", "run0000next", "run0000last"

Content = tuple[bytes, ...]


def content(run: str, parts: int = 3) -> Content:
    """Return what a run writes, in order."""
    return tuple(f"{run}, part {number}\n".encode() * (number + 1) for number in range(parts))


def write_job(url: str, run: str, *, overwrite: bool, parts: int = 3) -> None:
    """Write an output as a job does, with an attempt that loses and one that never ends."""
    output = Output.at(url, run)
    commit.prepare(output, overwrite=overwrite)
    manifests = [attempted(output, number, data) for number, data in enumerate(content(run, parts))]
    with suppress(StorageError):  # of no consequence, whatever happens
        lost = commit.write_part(output, "t0late", "part-00000.txt", b"of an attempt that lost")
        manifests.append(commit.commit_task(output, "t0late", [lost]))
    with suppress(StorageError):
        commit.write_part(output, "t1late", "part-00001.txt", b"of one that never ended")
    commit.commit_job(output, manifests, overwrite=overwrite)


def attempted(output: Output, number: int, data: bytes) -> commit.Manifest:
    """Write a part, again as another attempt where one fails, as a scheduler has it done."""
    for attempt in range(4):
        try:
            name = f"t{number}a{attempt}"
            part = commit.write_part(output, name, f"part-{number:05d}.txt", data)
            return commit.commit_task(output, name, [part])
        except StorageError:
            if attempt == 3:
                raise
    raise AssertionError


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


class NotStruck(Exception):
    """What was to be killed again ended before it came to that: nothing was tried."""


# -- trials of crashes -------------------------------------------------------------------------

HERE = "/dir/out"


@dataclass(frozen=True)
class Scene:
    """What is there before a job writes its output.

    Parameters
    ----------
    name : str
    kind : Kind
    files : mapping
        Path to content.
    old : tuple of bytes, or str
        What readers see of that.
    """

    name: str
    kind: Kind
    files: Mapping[str, bytes]
    old: Content | str

    @property
    def overwrite(self) -> bool:
        return self.old != "nothing"

    @contextmanager
    def world(self) -> Iterator[World]:
        with faulty(self.kind) as world:
            fs = world.fs()
            for path, data in self.files.items():
                fs.pipe_file(path, data)
            yield world


def scenes(kind: Kind) -> list[Scene]:
    """Return nothing, our own output, and others' with and without their own ``_SUCCESS``."""
    with faulty(kind) as world:
        write_job(world.url + HERE, OLD_RUN, overwrite=False, parts=4)
        ours = {path: world.fs().cat_file(path) for path in world.fs().files()}
    others = {f"{HERE}/part-00000.txt": b"a", f"{HERE}/sub/b.txt": b"b"}
    return [
        Scene("fresh", kind, {}, "nothing"),
        Scene("ours", kind, ours, content(OLD_RUN, 4)),
        Scene("others", kind, others, (b"a", b"b")),
        Scene("marked", kind, {**others, f"{HERE}/_SUCCESS": b""}, (b"a", b"b")),
    ]


def length(scene: Scene) -> int:
    """Return the number of operations of the job, all going well."""
    with scene.world() as world:
        write_job(world.url + HERE, NEW_RUN, overwrite=scene.overwrite)
        return world.count


def crash(
    scene: Scene, plan: Mapping[int, Fault], again: Mapping[int, Fault], *, rerun: bool = False
) -> str | None:
    """Die by one plan, die by another in recovery or in the next job, recover, write once more.

    Returns
    -------
    str or None
        What was wrong; None where all was well.

    Raises
    ------
    NotStruck
        If the second death had no occasion.
    """
    with scene.world() as world:
        url = world.url + HERE
        world.restart(plan)
        allowed = {content(NEW_RUN)}
        if not survived(lambda: write_job(url, NEW_RUN, overwrite=scene.overwrite)):
            allowed.add(scene.old)
        world.restart(again)
        if again and rerun:
            if survived(lambda: write_job(url, NEXT_RUN, overwrite=True, parts=2)):
                allowed.clear()
            allowed.add(content(NEXT_RUN, 2))
        elif again:
            survived(lambda: commit.recover(url))
        if again and not world.dead:
            raise NotStruck
        world.restart()
        return _unsound(scene, world, allowed)


def _unsound(scene: Scene, world: World, allowed: set[Content | str]) -> str | None:
    """Look at what is there, recover, look again, and see that the next job is not disturbed."""
    url = world.url + HERE
    passing = {"refused"}  # an error, never half of anything
    if scene.kind.promises.atomic_rename:
        passing |= {"nothing"}  # between the two renames of a replacement
    if (between := seen(url)) not in allowed | passing:
        return f"before recovery readers saw {between}"
    commit.recover(url)
    if (found := seen(url)) not in allowed:
        return f"after recovery readers saw {found}"
    if left := [path for path in world.fs().files() if "_temporary" in path]:
        return f"recovery left {left}"
    write_job(url, LAST_RUN, overwrite=True, parts=2)
    if seen(url) != content(LAST_RUN, 2) or len(world.fs().files()) != 3:
        return f"the last job left {world.fs().files()}"
    return None


def mishap(scene: Scene, plan: Mapping[int, Fault]) -> str | None:
    """Run the job through faults that do not kill it; return what was wrong, or None."""
    with scene.world() as world:
        url = world.url + HERE
        world.restart(plan)
        try:
            write_job(url, NEW_RUN, overwrite=scene.overwrite)
            allowed = {content(NEW_RUN)}
        except StorageError as error:
            if any(fault is not Fault.FAIL and fault is not Fault.TORN for fault in plan.values()):
                return f"what passes by itself ended the job: {error}"
            allowed = {scene.old, content(NEW_RUN)}
        world.restart()
        commit.abort(Output.at(url, NEW_RUN))
        commit.recover(url)
        if (found := seen(url)) not in allowed:
            return f"readers saw {found}"
    return None


def survived(act: Callable[[], object]) -> bool:
    """Return whether the process lived to the end of something."""
    try:
        act()
    except Killed:
        return False
    return True
