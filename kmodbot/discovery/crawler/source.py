"""Where a list comes from: a file or an address."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from kmodbot.kernels import ARCHITECTURES

from .errors import BadListError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_SECONDS = 60


def architecture_of(source: str) -> str | None:
    """Return the architecture that a folder of the path names, as in ``.../aarch64/list.json``."""
    parts = PurePosixPath(source).parts
    named = [part for part in parts if part in ARCHITECTURES]
    return named[-1] if named else None


@contextmanager
def open_list(source: str) -> Iterator[BinaryIO]:
    """Open a file or an address (http, https) for reading.

    Raises BadListError when there is no such file, UnreachableError when fetching fails, also in
    the middle of reading.
    """
    if source.startswith(("http://", "https://")):
        with _fetch(source) as stream:
            yield stream
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        remedy = "give the path or the address of a list.json"
        raise BadListError(f"{source}: {error.strerror}; {remedy}") from None
    with stream:
        yield stream


@contextmanager
def _fetch(address: str) -> Iterator[BinaryIO]:
    # Only who fetches pays for loading these.
    import http.client
    import urllib.request

    # S310: the scheme is one of two.
    request = urllib.request.Request(address, headers={"User-Agent": "kmodbot"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            yield answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{address}: {error}; try again later") from None
