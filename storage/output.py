"""`Output`: where a run's output goes, and where it is staged until then."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import PurePosixPath

from mr.storage.capabilities import capabilities
from mr.storage.errors import Place, UsageError
from mr.storage.filesystem import is_local, locate
from mr.storage.success import STAGED, TEMPORARY

WHOLE = "_whole"
OLD = "_old"


@dataclass(frozen=True, slots=True)
class Output:
    """The output of one run; made by `Output.at`.

    Parameters
    ----------
    url : str
        The directory, without a slash at its end; absolute.
    run : str
        Which run: 8 to 64 letters and digits that no other run has.
    """

    url: str
    run: str

    @classmethod
    def at(cls, url: str, run: str | None = None) -> Output:
        """Return the output of a run at a path or URL; of a new run by default.

        Raises
        ------
        UsageError
            If the run's name could not be told from others in the names of files.
        """
        run = secrets.token_hex(8) if run is None else run
        if not re.fullmatch(r"[A-Za-z0-9]{8,64}", run):
            raise UsageError(
                f"{run!r} does not name a run of an output",
                place=Place(file=url),
                remedy="use 8 to 64 letters and digits that no other run has",
            )
        where = locate(url)[1] if is_local(url) else url
        return cls(where.rstrip("/"), run)

    @property
    def home(self) -> str:
        """The directory of all that the run stages."""
        return f"{staging(self.url)}/{STAGED}{self.run}"

    def attempt(self, attempt: str) -> str:
        """Return the directory of an attempt."""
        return f"{self.home}/{attempt}"

    @property
    def whole(self) -> str:
        """The directory that becomes the output, where directories are renamed at once."""
        return f"{self.home}/{WHOLE}"

    @property
    def old(self) -> str:
        """Where the output is kept that makes room for this one."""
        return f"{self.home}/{OLD}"

    def final(self, name: str) -> str:
        """Return the name that a file of an attempt has in the output."""
        if renames(self.url):
            return name
        path = PurePosixPath(name)
        return f"{path.stem}-{self.run}{path.suffix}"


def renames(url: str) -> bool:
    """Return whether the output is revealed by a rename, and not by its ``_SUCCESS``."""
    return capabilities(url).atomic_rename


def staging(url: str) -> str:
    """Return the directory in which the runs of an output stage what they write."""
    if not renames(url):
        return f"{url}/{TEMPORARY}"
    above, _, name = url.rpartition("/")
    return f"{above}/{TEMPORARY}-{name}"
