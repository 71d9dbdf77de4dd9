"""Locks that hold across threads and processes, and are gone when their holder is."""

from __future__ import annotations

import fcntl
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` during the block; waits as long as it takes to get it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Every opening of the file is a holder of its own, so threads exclude each other as well.
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def host_lock(cache: Path, url: str) -> Iterator[None]:
    """Keep all builders that share `cache` from asking the host of `url` during the block.

    An address without a host, such as `file:///...`, is not locked. Not reentrant: a Downloader
    takes the same lock for each of its requests, so none may be used inside the block.
    """
    host = urlsplit(url).hostname
    if host is None:
        yield
        return
    with locked(cache / "locks" / f"host-{re.sub('[^a-z0-9.-]', '_', host)}"):
        yield
