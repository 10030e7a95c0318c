"""The one place where exceptions of storage libraries become ours.

What a library raises for one and the same mishap differs by library and
version, so classes, error numbers and, at this boundary only, texts are matched.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from mr.storage.errors import (
    GradfoldError,
    NotFound,
    Place,
    StorageError,
    Unreachable,
    UsageError,
)

EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "http": "http",
    "https": "http",
    "hdfs": "hadoop",
    "viewfs": "hadoop",
}
"""The extra of ours that brings the driver of a protocol."""

_NETWORK_ERRNOS = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)
_NETWORK_CLASSES = ("ClientConnection", "ClientConnector", "ServerDisconnected", "ClientPayload")
_NETWORK_WORDS = (
    "connection refused",
    "connection reset",
    "could not connect",
    "failed to connect",
    "name or service not known",
    "name resolution",
    "no route to host",
    "timed out",
    "unreachable",
)
_DENIED_WORDS = ("accesscontrolexception", "access denied", "permission denied", "forbidden")
_NO_DRIVER_WORDS = ("libhdfs", "libjvm", "java_home", "hadoop_home")


@contextlib.contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn what storage libraries raise inside the block into errors of ours.

    Parameters
    ----------
    uri : str
        What is being read or written.

    Raises
    ------
    NotFound, Unreachable, StorageError, UsageError
        According to what went wrong; errors of ours, and errors that have
        nothing to do with storage, pass as they are.
    """
    try:
        yield
    except GradfoldError:
        raise
    except Exception as error:
        ours = translate(error, uri)
        if ours is None:
            raise
        raise ours from error


def translate(error: Exception, uri: str) -> GradfoldError | None:
    """Return the error of ours that says what ``error`` means, or None if that is not known."""
    chain = _chain(error)
    # A driver may report a server that does not answer as a file that is not
    # there; the connection's error is then among the causes, so it is looked for first.
    if any(map(_is_network, chain)):
        return Unreachable(
            f"The storage did not answer: {_text(chain[-1])}",
            place=Place(file=uri),
            cause="the address is wrong, the server is down, or the network is",
            remedy="check the address and try again",
        )
    if isinstance(error, ImportError) or _says(error, _NO_DRIVER_WORDS):
        return _no_driver(error, uri)
    if any(map(_is_denied, chain)):
        return StorageError(
            "Access is denied",
            place=Place(file=uri),
            cause=_text(error),
            remedy="check the permissions, and whose credentials are in use",
        )
    return _by_class(error, uri)


def _by_class(error: Exception, uri: str) -> GradfoldError | None:
    place = Place(file=uri)
    if isinstance(error, FileNotFoundError):
        return NotFound(
            "There is no such file or directory",
            place=place,
            remedy="check the path; a relative one counts from the working directory",
        )
    if isinstance(error, ValueError) and "rotocol not known" in str(error):
        return UsageError(
            f"The protocol is not known: {_text(error)}",
            place=place,
            remedy="use file, hdfs, s3, gs, http or another protocol that fsspec knows",
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            "There is no space left",
            place=place,
            cause=_text(error),
            remedy="free some, or write elsewhere: GRADFOLD_SCRATCH names where files of a run go",
        )
    if isinstance(error, OSError) or _status(error) is not None or _is_drivers(error):
        return StorageError(f"Storage failed: {_text(error)}", place=place)
    return None


def _no_driver(error: Exception, uri: str) -> UsageError:
    protocol = uri.split("://", 1)[0].rsplit("::", 1)[-1]
    extra = EXTRAS.get(protocol)
    remedy = f'pip install "gradfold[{extra}]"' if extra else "install the package it asks for"
    return UsageError(
        f"The driver for {protocol}:// cannot be loaded",
        place=Place(file=uri),
        cause=_text(error),
        remedy=remedy,
    )


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error and its causes, the outermost first."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def _is_network(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return True
    if type(error).__name__.startswith(_NETWORK_CLASSES) or (_status(error) or 0) >= 500:
        return True
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNOS:
        return True
    return _says(error, _NETWORK_WORDS)


def _is_denied(error: BaseException) -> bool:
    return (
        isinstance(error, PermissionError)
        or _status(error) in {401, 403}
        or _says(error, _DENIED_WORDS)
    )


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error carries, if it does."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _is_drivers(error: BaseException) -> bool:
    package = type(error).__module__.partition(".")[0]
    return package in {"aiobotocore", "aiohttp", "botocore", "gcsfs", "hdfs_native", "requests"}


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    """Look into the text of an error whose class says nothing; others may hold a path there."""
    vague = type(error) in {OSError, RuntimeError} and getattr(error, "errno", None) is None
    text = str(error).lower()
    return (vague or _is_drivers(error)) and any(word in text for word in words)


def _text(error: BaseException) -> str:
    """Return the first line of an error's text, or its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
