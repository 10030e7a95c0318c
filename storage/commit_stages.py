"""What `mr.storage.commit` is made of: stages of a commit that look before they act.

Each begins by asking what is there already, so that it can be repeated after a death, or
after an operation that was done and not acknowledged.
"""

from __future__ import annotations

from mr.storage.atomic import write_bytes
from mr.storage.capabilities import capabilities
from mr.storage.directory import (
    copy,
    kind_of,
    move,
    names_in,
    read_bytes,
    remove,
    remove_tree,
    sizes_below,
)
from mr.storage.errors import NotFound, Place, StorageError, UsageError
from mr.storage.exclusive import create_exclusively
from mr.storage.output import Output, renames, staging
from mr.storage.success import STAGED, SUCCESS, TEMPORARY, File, Success, decode

Chosen = dict[str, tuple[str, File]]
"""Files by name, each with the attempt that wrote it."""


def success_at(url: str) -> Success | None:
    """Return what the ``_SUCCESS`` of a directory says; None where there is none of ours."""
    uri = f"{url}/{SUCCESS}"
    try:
        return decode(read_bytes(uri), uri)
    except NotFound:
        return None


def occupied(url: str) -> bool:
    """Return whether a directory holds anything but what is staged or was left of that."""
    sizes = sizes_below(url)
    if SUCCESS in sizes:
        return True
    left = _promoted(sizes, _runs(url)) if not renames(url) else set()
    return any(not _staged(name) and name not in left for name in sizes)


def done(output: Output) -> Success | None:
    """Return what the run has decided already, seen or not."""
    there = success_at(output.url)
    if there is not None and there.run == output.run:
        return there
    return success_at(output.whole) if renames(output.url) else None


def promote(output: Output, chosen: Chosen) -> None:
    """Bring the chosen files to where they will be seen, or to the directory that becomes it.

    Raises
    ------
    StorageError
        If one is gone.
    """
    for name, (attempt, _) in sorted(chosen.items()):
        source = f"{output.attempt(attempt)}/{name}"
        try:
            if renames(output.url):
                _move_once(source, f"{output.whole}/{name}")
            else:
                copy(source, f"{output.url}/{output.final(name)}")
        except NotFound:
            raise _gone(source) from None


def _move_once(source: str, target: str) -> None:
    try:
        move(source, target)
    except StorageError:
        # Moved by us before we died, or moved and not acknowledged: then the target is there.
        if kind_of(source) is not None or kind_of(target) is None:
            raise


def decide(output: Output, files: tuple[File, ...], *, overwrite: bool) -> Success:
    """Write ``_SUCCESS``: before it there is no output of the run, after it there is.

    Raises
    ------
    UsageError
        If another run's output is there, and may not be replaced.
    StorageError
        If a file is not there as it was listed.
    """
    decided = done(output)
    if decided is not None:
        return decided  # by this very put, which was not acknowledged
    named = tuple(File(output.final(file.name), file.size, file.sha256) for file in files)
    base = output.whole if renames(output.url) else output.url
    # Another job may have swept our files away when it committed: then there is no output.
    sizes = sizes_below(base)
    for file in named:
        if sizes.get(file.name) != file.size:
            raise _gone(f"{base}/{file.name}")
    if renames(output.url):
        success = Success(output.run, named, overwrite)
        write_bytes(f"{base}/{SUCCESS}", success.encode())
        return success
    return _decide_by_put(output, named, sizes, overwrite=overwrite)


def _decide_by_put(
    output: Output, files: tuple[File, ...], sizes: dict[str, int], *, overwrite: bool
) -> Success:
    uri = f"{output.url}/{SUCCESS}"
    if overwrite:
        success = Success(output.run, files, replaces=True, replaced=_before(output, sizes))
        write_bytes(uri, success.encode())
        return success
    success = Success(output.run, files)
    if capabilities(uri).exclusive_create:
        # Of two jobs that found nothing in their way, one gets the name.
        if not create_exclusively(uri, success.encode()):
            raise in_the_way(output.url, "another job's output appeared there meanwhile")
        return success
    # Nobody can tell two jobs apart here between this look and the put; the later one's
    # output is seen then, whole, and the earlier one's files are left as garbage.
    if success_at(output.url) is not None:
        raise in_the_way(output.url, "another job's output appeared there meanwhile")
    write_bytes(uri, success.encode())
    return success


def _before(output: Output, sizes: dict[str, int]) -> tuple[str, ...]:
    """Return the files of the output that is there, and of outputs before it not yet removed."""
    held = success_at(output.url)
    if held is not None:
        names = {file.name for file in held.files} | set(held.replaced)
        return tuple(sorted(names & sizes.keys()))
    promoted = _promoted(sizes, _runs(output.url) | {output.run})
    return tuple(
        name
        for name in sorted(sizes)
        if name != SUCCESS and name not in promoted and not _staged(name)
    )


def reveal(output: Output, success: Success) -> None:
    """Let the directory take its name, where that is what makes it seen.

    Raises
    ------
    UsageError
        If another output has the name, and may not be replaced.
    """
    if not renames(output.url):
        return
    if _revealed(output):
        return  # before we died, by another's `settle`, or not acknowledged
    sizes = sizes_below(output.whole)
    if any(sizes.get(file.name) != file.size for file in success.files):
        raise _gone(output.whole)  # before anything makes room for it
    _make_room(output, success)
    try:
        move(output.whole, output.url)
    except StorageError:
        if not _revealed(output):  # by another's `settle`, or by this move
            raise


def _revealed(output: Output) -> bool:
    there = success_at(output.url)
    return there is not None and there.run == output.run


def _make_room(output: Output, success: Success) -> None:
    if occupied(output.url):
        if not success.replaces:
            raise in_the_way(output.url, "another job's output appeared there meanwhile")
        # From here until the next rename nothing is there: whoever comes next, this call
        # again or another job's `settle`, has all that it takes to go on.
        _move_once(output.url, output.old)
    elif kind_of(output.url) is not None:
        remove_tree(output.url)  # an empty directory that somebody made for us


def settle(url: str) -> None:
    """Reveal what runs had decided that died before it was seen."""
    if not renames(url):
        return
    for run in sorted(_runs(url)):
        output = Output(url, run)
        decided = success_at(output.whole)
        if decided is not None and (decided.replaces or not occupied(url)):
            reveal(output, decided)


def clean(url: str) -> None:
    """Remove what is staged for an output, whoever staged it, and what it replaced.

    What another run has decided and may yet put in the place of this one is left alone: it
    may be between its two renames, and hold the only copy of what was there.

    Raises
    ------
    StorageError
        If something cannot be removed; to be repeated then.
    """
    if renames(url):
        left = [run for run in sorted(_runs(url)) if not _swept(Output(url, run))]
    else:
        _clean_replaced(url)
        left = []
    # Last, since elsewhere it tells which runs may have left promoted files.
    if not left:
        remove_tree(staging(url))


def _swept(output: Output) -> bool:
    decided = success_at(output.whole)
    if decided is not None:
        if decided.replaces:
            return False
        # It lost a race for the name. Its mark goes first, so that half of it is never revealed.
        remove(f"{output.whole}/{SUCCESS}")
    remove_tree(output.home)
    return True


def _clean_replaced(url: str) -> None:
    found = success_at(url)
    mine = {file.name for file in found.files} if found else set()
    sizes = sizes_below(url)
    garbage = _promoted(sizes, _runs(url)) | (set(found.replaced) if found else set())
    for name in sorted((garbage & sizes.keys()) - mine):
        remove(f"{url}/{name}")


def discard(output: Output) -> None:
    """Remove what one run has staged and not decided."""
    if done(output) is not None:
        return
    if not renames(output.url):
        for name in sorted(_promoted(sizes_below(output.url), {output.run})):
            remove(f"{output.url}/{name}")
    remove_tree(output.home)
    if not names_in(staging(output.url)):
        remove_tree(staging(output.url))


def _runs(url: str) -> set[str]:
    """Return the runs that have staged anything."""
    names = names_in(staging(url))
    return {name.removeprefix(STAGED) for name in names if name.startswith(STAGED)}


def _promoted(sizes: dict[str, int], runs: set[str]) -> set[str]:
    """Return the files under names that runs give to what they promote."""
    return {
        name
        for name in sizes
        if not _staged(name) and name.rpartition("-")[2].partition(".")[0] in runs
    }


def _staged(name: str) -> bool:
    return name.startswith(f"{TEMPORARY}/")


def in_the_way(url: str, cause: str) -> UsageError:
    """Return the error for an output that cannot have its name."""
    return UsageError(
        "The output cannot be written there",
        place=Place(file=url),
        cause=cause,
        remedy="give another name, or ask for it to be replaced (overwrite)",
    )


def _gone(uri: str) -> StorageError:
    return StorageError(
        "A file that was staged for an output is gone",
        place=Place(file=uri),
        cause="another job wrote to the same output and committed first",
        remedy="give each job an output of its own",
    )
