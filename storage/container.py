"""One layout for every file and message of arrays: cache, statistics, checkpoints, models.

::

    0   magic ``GRADFOLD``
    8   version, header length, header crc32, header crc32's complement   4 x uint32
    24  header: JSON {"meta": {...}, "arrays": [[name, dtype, shape, offset, nbytes, crc32], ...]}
    ..  zeros up to a multiple of 64, then each array, little-endian, aligned to 64 bytes

Why not an existing one: npz cannot be mapped, safetensors neither aligns nor
checks, Arrow IPC has no checksums. This one is mapped in place, found damaged
when it is damaged, and holds no code (never pickle).
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr.storage.errors import CorruptFile, Place

MAGIC = b"GRADFOLD"
VERSION = 1
ALIGN = 64
_PREFIX = struct.Struct("<8sIIII")

Array = NDArray[Any]
Buffer = bytes | memoryview


def encode(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[Buffer]:
    """Return the layout as buffers to be written one after the other; arrays are not copied.

    Parameters
    ----------
    meta : mapping
        JSON values.
    arrays : mapping of str to ndarray
        Booleans, numbers or fixed-width strings, any shape.
    """
    entries, bodies, offset = [], [], 0
    for name, array in arrays.items():
        plain = _little_endian(array)
        body = _bytes_of(plain)
        entry = [name, plain.dtype.str, list(array.shape), offset, len(body), zlib.crc32(body)]
        entries.append(entry)
        bodies += [body, bytes(-len(body) % ALIGN)]
        offset += len(body) + len(bodies[-1])
    header = json.dumps({"meta": meta, "arrays": entries}, separators=(",", ":")).encode()
    check = zlib.crc32(header)
    prefix = _PREFIX.pack(MAGIC, VERSION, len(header), check, check ^ 0xFFFFFFFF)
    padding = bytes(-(len(prefix) + len(header)) % ALIGN)
    return [prefix, header, padding, *bodies]


def pack(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Return `encode` as one string of bytes."""
    return b"".join(encode(meta, arrays))


def unpack(
    buffer: bytes | bytearray | memoryview | mmap.mmap, *, source: str = "", verify: bool = True
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a layout in place.

    Parameters
    ----------
    buffer : bytes-like
        What `encode` returned, joined.
    source : str
        Named in errors.
    verify : bool
        Check the arrays' checksums; the header's is always checked.

    Returns
    -------
    meta : dict
    arrays : dict of str to ndarray
        Read-only views of ``buffer``.

    Raises
    ------
    CorruptFile
        If anything is not as it was written.
    """
    view = memoryview(buffer)
    header, start = _header(view, source)
    arrays = {}
    for name, dtype, shape, offset, nbytes, check in header["arrays"]:
        body = view[start + offset : start + offset + nbytes]
        if len(body) != nbytes:
            raise _corrupt(source, "it is cut short")
        if verify and zlib.crc32(body) != check:
            raise _corrupt(source, f"array {name} fails its checksum")
        array = np.frombuffer(body, dtype=dtype).reshape(shape)
        array.flags.writeable = False
        arrays[name] = array
    return header["meta"], arrays


def fingerprint(buffer: bytes | memoryview) -> int:
    """Return a checksum of all that a layout holds, from its header alone."""
    view = memoryview(buffer)
    return int(_PREFIX.unpack(view[: _PREFIX.size])[3])


def map_file(path: Path, *, verify: bool = True) -> tuple[dict[str, Any], dict[str, Array]]:
    """Map a local file and read it in place; see `unpack`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFile
        If anything is not as it was written.
    """
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise _corrupt(str(path), "it is empty") from None
    return unpack(mapped, source=str(path), verify=verify)


def _header(view: memoryview, source: str) -> tuple[dict[str, Any], int]:
    if len(view) < _PREFIX.size:
        raise _corrupt(source, "it is cut short")
    magic, version, length, check, complement = _PREFIX.unpack(view[: _PREFIX.size])
    if magic != MAGIC:
        raise CorruptFile(
            "This is not a file of gradfold",
            place=Place(file=source or None),
            cause="the path names something else, or the file is damaged from its start",
            remedy="check the path, or fetch the file again from a good copy",
        )
    if version != VERSION:
        raise _corrupt(source, f"its version {version} is not {VERSION}")
    text = view[_PREFIX.size : _PREFIX.size + length]
    if check ^ complement != 0xFFFFFFFF or len(text) != length or zlib.crc32(text) != check:
        raise _corrupt(source, "its header fails the checksum")
    end = _PREFIX.size + length
    return json.loads(bytes(text)), end + -end % ALIGN


def _little_endian(array: Array) -> Array:
    plain = np.ascontiguousarray(array)
    return plain.astype(plain.dtype.newbyteorder("<"), copy=False)


def _bytes_of(array: Array) -> Buffer:
    # Zero-sized and string arrays have no byte view through the buffer protocol.
    if array.size == 0 or array.dtype.kind in "US":
        return array.tobytes()
    return array.reshape(-1).view(np.uint8).data


def _corrupt(source: str, how: str) -> CorruptFile:
    return CorruptFile(
        f"A gradfold file is damaged: {how}",
        place=Place(file=source or None),
        cause="the disk, a copy that was cut off, or another program wrote to it",
        remedy="delete it: cached blocks are decoded again; a checkpoint falls back to the "
        "one before; a model must be fitted again or fetched from a good copy",
    )
