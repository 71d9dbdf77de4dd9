"""Headers that Debian has removed, from the archive of its archives.

The service says when it first saw a package; the lists of that time, which Debian signed, then
say what the package must be.
https://snapshot.debian.org/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kmodbot.kernels import package_architecture
from kmodbot.pipeline.errors import HeadersNotFound, together
from kmodbot.pipeline.headers.apt import IsolatedApt
from kmodbot.pipeline.headers.deadline import require_time
from kmodbot.pipeline.headers.download import Downloader
from kmodbot.pipeline.headers.suites import fetch_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.mirrors import Mirror
    from kmodbot.pipeline.headers.suites import AptDistribution
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

STAMP = "%Y%m%dT%H%M%SZ"
# The small archive first. A kernel waits in proposed-updates until the next point release.
SUITES = {
    "debian-security": ("{codename}-security",),
    "debian": (
        "{codename}",
        "{codename}-updates",
        "{codename}-proposed-updates",
        "{codename}-backports",
    ),
}
# A file is in the pool before a list names it; one made for testing reaches the release later.
_DELAYS = tuple(timedelta(days=days) for days in (0, 1, 7, 30))
_MOST_PROBES = 8
# Of one package version as long as others wait.
_FIRST_PROBES = 4


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class DebianSnapshot:
    """Debian's archives as they were when a kernel was new."""

    name: str
    distribution: AptDistribution
    mirror: Mirror
    clock: Callable[[], datetime] = _now

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        self.distribution.codename(kernel.distro_version)
        tried: list[HeadersNotFound] = []
        for uri, archive in islice(self._archives(kernel, Downloader(cache, log)), _MOST_PROBES):
            asked = self.distribution.archive(
                uri, SUITES[archive], kernel.distro_version, frozen=True
            )
            architectures = self.distribution.architectures(kernel.architecture)
            # Not below the cache: nobody will ask for these lists again.
            apt = IsolatedApt(work / "apt", [asked], architectures, cache, log, lenient=True)
            try:
                require_time()
                with apt.locked():
                    return fetch_listed(apt, kernel.release, work, log)
            except HeadersNotFound as error:
                tried.append(error)
        if not tried:
            raise HeadersNotFound("was seen in none of Debian's archives")
        raise together(tried)

    def _archives(self, kernel: Kernel, downloader: Downloader) -> Iterator[tuple[str, str]]:
        """Give the address and name of every archive that may list the kernel, best first."""
        address = f"{self.mirror.address()}/mr/binary/{quote(f'linux-headers-{kernel.release}')}"
        versions = _read(downloader, f"{address}/", _versions)
        left: list[tuple[str, str]] = []
        for version in versions:
            found = _read(downloader, f"{address}/{quote(version)}/binfiles?fileinfo=1", _files)
            places = self._places(found.get(package_architecture(kernel.architecture), {}))
            yield from places[:_FIRST_PROBES]
            left += places[_FIRST_PROBES:]
        yield from left

    def _places(self, seen: Mapping[str, datetime]) -> list[tuple[str, str]]:
        """Return the address and name of each archive at each time that has come, soonest first."""
        now = self.clock()
        return [
            (f"{self.mirror.address()}/archive/{archive}/{moment.strftime(STAMP)}", archive)
            for delay in _DELAYS
            for archive in SUITES
            if archive in seen and (moment := seen[archive] + delay) <= now
        ]


def _read(downloader: Downloader, url: str, reader: Any) -> Any:
    try:
        return reader(json.loads(downloader.read(url)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HeadersNotFound(f"{url}: an answer of another shape than expected") from None


def _versions(document: Any) -> list[str]:
    """Return the package versions of an answer, in the order of the service: newest first."""
    versions = [entry["binary_version"] for entry in document["result"]]
    if not all(re.fullmatch(r"[0-9][A-Za-z0-9.+~:-]*", version) for version in versions):
        raise ValueError
    return versions


def _files(document: Any) -> dict[str, dict[str, datetime]]:
    """Return when each archive was first seen to have the package, by architecture."""
    found: dict[str, dict[str, datetime]] = {}
    for entry in document["result"]:
        for info in document["fileinfo"][entry["hash"]]:
            seen = datetime.strptime(info["first_seen"], STAMP).replace(tzinfo=timezone.utc)
            found.setdefault(entry["architecture"], {})[info["archive_name"]] = seen
    return found
