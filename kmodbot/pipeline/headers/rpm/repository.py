"""Repositories named by a list of mirrors, read without a package manager."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.download import Downloader
from kmodbot.pipeline.headers.rpm.accept import Acceptance
from kmodbot.pipeline.headers.rpm.places import fetch_one, first_good
from kmodbot.pipeline.headers.rpm.repodata import find_package, primary_location

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.mirrors import Mirror
    from kmodbot.pipeline.headers.rpm.signatures import Keys
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

_URL = re.compile(r"(?:https?|file)://[!-~]+")
_LARGEST_INDEX = 1 << 20
_MOST_MIRRORS = 4


@dataclass(frozen=True)
class Repository:
    """A repository whose mirrors stand in a list at `path` (with ``{arch}``) below `mirror`."""

    name: str
    mirror: Mirror
    path: str
    keys: Keys

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Return the headers from the first mirror that lists and has them, signed."""
        acceptance = Acceptance.of(kernel, self.keys, work, log)
        downloader = Downloader(cache, log)
        url = f"{self.mirror.address()}/{self.path.format(arch=kernel.architecture)}"
        bases = parse_mirror_list(downloader.read(url, _LARGEST_INDEX), url)
        return first_good(lambda base: _from_mirror(base, acceptance, downloader), bases)


def parse_mirror_list(document: bytes, url: str) -> list[str]:
    """Return the first few mirrors of a list that came from `url`, one a line.

    A list that came over TLS must not lead to a mirror without, and only a local one to local
    files. Raises HeadersNotFound when no usable mirror is left.
    """
    scheme = urlsplit(url).scheme
    allowed = {"https": {"https"}, "http": {"http", "https"}}.get(scheme, {"file", "http", "https"})
    lines = (line.strip() for line in document.decode("utf-8", "replace").splitlines())
    good = [line for line in lines if _URL.fullmatch(line) and urlsplit(line).scheme in allowed]
    if not good:
        raise HeadersNotFound(f"{url}: names no mirror that such a list may name")
    return good[:_MOST_MIRRORS]


def _from_mirror(base: str, acceptance: Acceptance, downloader: Downloader) -> HeaderTree:
    index = downloader.read(f"{base.rstrip('/')}/repodata/repomd.xml", _LARGEST_INDEX)
    listed = primary_location(index, base)
    primary = downloader.fetch(listed.url, sha256=listed.sha256, size=listed.size)
    found = find_package(primary, base, listed.url, acceptance.wanted.specs)
    return fetch_one(found.url, acceptance, downloader, sha256=found.sha256, size=found.size)
