"""The fsspec filesystem of ``faulty://NAME/path``: each method is one operation of its `World`."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from pathlib import Path
from typing import Any, ClassVar

from fsspec import AbstractFileSystem

from mr.storage import faults
from mr.storage.cache import write_whole


class FaultyFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no annotations
    """Passes operations on to a world's inner filesystem, if the plan lets it.

    Parameters
    ----------
    host : str
        Name of the world.
    """

    protocol = "faulty"
    cachable = False
    root_marker: ClassVar[str] = "/"

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(host=host, **options)
        self._world = faults.world(host)
        self._inner = self._world.inner
        self._kind = self._world.kind

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        if path.startswith("faulty://"):
            path = "/" + path.removeprefix("faulty://").partition("/")[2]
        return path.rstrip("/") or "/"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        return {"host": path.removeprefix("faulty://").partition("/")[0]}

    def _full(self, path: str) -> str:
        return str(self._world.root + self._strip_protocol(path)).rstrip("/")

    def _relative(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "name": str(info["name"]).removeprefix(self._world.root) or "/"}

    # -- reads ------------------------------------------------------------------------------

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe a file or directory."""
        full = self._full(path)
        return self._relative(self._world.operate(f"info {path}", lambda: self._inner.info(full)))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's
        """List a directory."""
        full = self._full(path)
        found = self._world.operate(f"list {path}", lambda: self._inner.ls(full, detail=True))
        entries = sorted(map(self._relative, found), key=lambda info: str(info["name"]))
        return entries if detail else [info["name"] for info in entries]

    def find(self, path: str, *_: Any, detail: bool = False, **__: Any) -> Any:
        """List all files below a directory; one listing, as object stores have it."""
        full = self._full(path)
        found = self._world.operate(f"list all {path}", lambda: self._inner.find(full, detail=True))
        entries = {info["name"]: info for info in map(self._relative, found.values())}
        return entries if detail else sorted(entries)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        """Read a file."""
        full = self._full(path)
        data = self._world.operate(f"read {path}", lambda: self._inner.cat_file(full))
        return bytes(data[start:end])

    # -- writes -----------------------------------------------------------------------------

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if mode == "rb":
            return io.BytesIO(self.cat_file(path))
        if not self._kind.whole_puts:
            self._world.operate(f"create {path}", lambda: self._put(path, b""))
        return _Writer(self, path)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a file at once."""
        if not self._kind.whole_puts:
            with self._open(path, "wb") as file:
                file.write(value)
            return
        exclusive = mode == "create" and self._kind.promises.exclusive_create
        self._world.operate(f"put {path}", lambda: self._put(path, value, exclusive=exclusive))

    def put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        """Write a file at once from a local one."""
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file."""
        full = self._full(path1)
        self._world.operate(
            f"copy {path1} {path2}", lambda: self._put(path2, self._inner.cat_file(full))
        )

    def mv(self, path1: str, path2: str, *_: Any, overwrite: bool = False, **__: Any) -> None:
        """Rename a file or directory at once; onto a file only if asked to overwrite."""
        if not self._kind.promises.atomic_rename:
            raise NotImplementedError("there are no renames here")
        self._world.operate(
            f"rename {path1} {path2}", lambda: self._rename(path1, path2, overwrite=overwrite)
        )

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self._world.operate(f"remove {path}", lambda: self._remove(self._full(path)))

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Remove a file, or a directory file by file: the way with most to go wrong."""
        del maxdepth
        for name in self.find(path) if recursive else [path]:
            self.rm_file(name)
        full = self._full(path)
        if recursive and self._kind.directories:
            self._world.operate(f"remove {path}", lambda: self._inner.rm(full, recursive=True))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make a directory; object stores have none."""
        full = self._full(path)
        if self._kind.directories:
            make = self._inner.makedirs
            self._world.operate(f"mkdir {path}", lambda: make(full, exist_ok=exist_ok))

    # -- the inner filesystem, made to behave as the kind says --------------------------------

    def _put(self, path: str, data: bytes, *, exclusive: bool = False) -> None:
        full = self._full(path)
        if not _is_local(self._inner):
            if exclusive and self._inner.isfile(full):
                raise FileExistsError(errno.EEXIST, "put-if-absent", path)
            self._inner.pipe_file(full, data)
        elif exclusive:
            from mr.storage.exclusive import create_exclusively

            if not create_exclusively(full, data):
                raise FileExistsError(errno.EEXIST, "put-if-absent", path)
        elif self._kind.whole_puts:
            write_whole(Path(full), [data])
        else:
            Path(full).write_bytes(data)

    def _remove(self, full: str) -> None:
        self._inner.rm_file(full)
        if _is_local(self._inner) and not self._kind.directories:
            # A prefix is there no longer than its last object.
            with contextlib.suppress(OSError):
                for above in Path(full).relative_to(self._world.root).parents[:-1]:
                    Path(self._world.root, above).rmdir()

    def _rename(self, path1: str, path2: str, *, overwrite: bool) -> None:
        old, new = self._full(path1), self._full(path2)
        if not self._inner.exists(old):
            raise FileNotFoundError(errno.ENOENT, "rename", path1)
        if self._inner.exists(new) and (self._inner.isdir(new) or not overwrite):
            raise FileExistsError(errno.EEXIST, "rename", path2)
        if _is_local(self._inner):
            os.replace(old, new)  # noqa: PTH105 - paths are text here
            return
        for name in self._inner.find(old):
            self._inner.store[new + name.removeprefix(old)] = self._inner.store.pop(name)
        self._forget_directories(old)

    def _forget_directories(self, full: str) -> None:
        kept = [name for name in self._inner.pseudo_dirs if f"{name}/".startswith(f"{full}/")]
        for name in kept:
            self._inner.pseudo_dirs.remove(name)


class _Writer(io.BytesIO):
    """A file that is written when it is closed, in one operation."""

    def __init__(self, fs: FaultyFileSystem, path: str) -> None:
        super().__init__()
        self._fs, self._path = fs, path

    def close(self) -> None:
        """Write; a second close does nothing, nor does one without the process."""
        if self.closed:
            return
        data = self.getvalue()
        super().close()
        fs, path = self._fs, self._path
        half = None if fs._kind.whole_puts else lambda: fs._put(path, data[: len(data) // 2])  # noqa: SLF001 - its own
        fs._world.operate(f"write {path}", lambda: fs._put(path, data), half)  # noqa: SLF001 - its own

    def __del__(self) -> None:
        """Write nothing: a file that nobody closed belonged to a process that died."""


def _is_local(inner: Any) -> bool:
    return bool(getattr(inner, "local_file", False))
