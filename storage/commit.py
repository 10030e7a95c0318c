"""A job's output as a directory that appears whole or not at all.

The stages, each a function that may be repeated after a death at any operation of it::

    prepare       refuse what is in the way; finish what a dead job had decided
    write_part    on a worker: a file of one attempt, in that attempt's own directory
    commit_task   on a worker: the list of the attempt's files, written whole, after them
    commit_job    on the driver, with the lists of the attempts that were accepted:
      promote     the files to where they will be seen, or beside it
      decide      ``_SUCCESS``, written whole: from here on the job has its output
      reveal      the directory takes its name, where directories are renamed at once
      clean       what was staged, and what was replaced

Where storage renames atomically, all is staged beside the target::

    DIR/_temporary-NAME/gradfold-RUN/ATTEMPT/part-00007.parquet
    DIR/_temporary-NAME/gradfold-RUN/_whole/        promoted; then ``_SUCCESS``; then renamed
    DIR/_temporary-NAME/gradfold-RUN/_old/          what it replaces, from then until it is there

Elsewhere inside it, and the put of ``_SUCCESS`` is what makes the output::

    DIR/NAME/_temporary/gradfold-RUN/ATTEMPT/part-00007.parquet
    DIR/NAME/part-00007-RUN.parquet                 not read before ``_SUCCESS`` names it

There names hold the run, so that neither an output that is being replaced nor one that won
a race is ever written to. An attempt that writes late writes into the directory of its own
run, which nobody reads any more.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from mr.storage import commit_stages as stages
from mr.storage.atomic import Buffer, check_writable, write_bytes
from mr.storage.directory import kind_of, read_bytes
from mr.storage.errors import StorageError, UsageError
from mr.storage.output import Output
from mr.storage.patience import patiently
from mr.storage.success import File, Success

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an attempt wrote.

    Parameters
    ----------
    attempt : str
        Its directory.
    files : tuple of File
    """

    attempt: str
    files: tuple[File, ...]


def prepare(output: Output, *, overwrite: bool = False) -> None:
    """Refuse an output that is there, before any work is done for another.

    What a job before it had decided and not revealed is revealed first, so that it is
    neither lost nor, later, put in the place of this one.

    Parameters
    ----------
    output : Output
    overwrite : bool
        Whether it may be replaced: as a whole, once the new one is ready.

    Raises
    ------
    UsageError
        If there is one, a file has the name, or the storage cannot be written to.
    StorageError
        If the storage fails.
    """
    check_writable(output.url)
    patiently(lambda: stages.settle(output.url))
    if patiently(lambda: kind_of(output.url)) == "file":
        raise stages.in_the_way(output.url, "a file has the name")
    if not overwrite and patiently(lambda: stages.occupied(output.url)):
        raise stages.in_the_way(output.url, "there is an output of that name")


def write_part(output: Output, attempt: str, name: str, data: Buffer) -> File:
    """Write one file of an attempt.

    Parameters
    ----------
    output : Output
    attempt : str
        Of an attempt's own: no two that may write other bytes share it.
    name : str
        Such as ``part-00007.parquet``; decides the order in which readers find it.
    data : bytes-like

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    write_bytes(f"{output.attempt(attempt)}/{name}", data)
    return File.of(name, bytes(data))


def commit_task(output: Output, attempt: str, files: Iterable[File]) -> Manifest:
    """Write the list of an attempt's files, once they are all there.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    manifest = Manifest(attempt, tuple(files))
    body = json.dumps(asdict(manifest)).encode()
    write_bytes(f"{output.attempt(attempt)}/{MANIFEST}", body)
    return manifest


def read_manifest(output: Output, attempt: str) -> Manifest:
    """Return the list that an attempt wrote.

    Raises
    ------
    NotFound
        If it wrote none: it did not end.
    """
    held = json.loads(read_bytes(f"{output.attempt(attempt)}/{MANIFEST}"))
    return Manifest(held["attempt"], tuple(File(**file) for file in held["files"]))


def commit_job(
    output: Output,
    manifests: Sequence[Manifest],
    *,
    overwrite: bool = False,
    guard: Callable[[], None] | None = None,
) -> Success:
    """Make the files of the attempts that were accepted the output, all at once.

    Parameters
    ----------
    output : Output
    manifests : sequence of Manifest
        In the order of acceptance. Of two with a file of one name the first wins; what
        attempts wrote that are not among them is ignored.
    overwrite : bool
        Whether an output that is there is replaced.
    guard : callable, optional
        Called right before the output is decided; raises where this driver is no longer
        the one that may.

    Raises
    ------
    UsageError
        If there is an output that may not be replaced.
    StorageError
        If the storage fails before the job is decided: nothing is seen of it then. What
        fails after that is finished by the next `prepare` or `recover`.
    """
    chosen = accepted(manifests)
    success = patiently(lambda: stages.done(output))
    if success is None:
        patiently(lambda: stages.promote(output, chosen))
        if guard is not None:
            guard()
        files = tuple(chosen[name][1] for name in sorted(chosen))
        success = patiently(lambda: stages.decide(output, files, overwrite=overwrite))
    patiently(lambda: stages.reveal(output, success))
    try:
        patiently(lambda: stages.clean(output.url))
    except StorageError as error:  # the output is there: what is left is garbage, and hidden
        log.warning("what was staged could not be removed: %s", error)
    return success


def accepted(manifests: Iterable[Manifest]) -> stages.Chosen:
    """Return by name the files of an output and the attempts they are of; the first wins."""
    chosen: stages.Chosen = {}
    for manifest in manifests:
        for file in manifest.files:
            chosen.setdefault(file.name, (manifest.attempt, file))
    return chosen


def abort(output: Output) -> None:
    """Remove what a failed job has staged; errors are logged, since there is one already."""
    with contextlib.suppress(UsageError):
        try:
            stages.discard(output)
        except StorageError as error:
            log.warning("what was staged could not be removed: %s", error)


def recover(url: str) -> Success | None:
    """Bring an output that nobody is writing to any more into its old or its new state.

    A job that had decided has its output; of one that had not, nothing is left.

    Returns
    -------
    Success or None
        What is there; None where nothing is, or nothing of ours.

    Raises
    ------
    StorageError
        If the storage fails; to be repeated then.
    """
    where = Output.at(url, "recovery").url
    patiently(lambda: stages.settle(where))
    patiently(lambda: stages.clean(where))
    return patiently(lambda: stages.success_at(where))
