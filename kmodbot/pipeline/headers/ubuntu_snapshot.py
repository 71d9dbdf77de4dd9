"""Headers that Ubuntu has removed, from its archive as it was at a time.

The service does not say when a package was listed, so that time is searched for.
https://snapshot.ubuntu.com/
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.apt import IsolatedApt
from kmodbot.pipeline.headers.suites import fetch_listed, listed_releases, numbers, same_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.mirrors import Mirror
    from kmodbot.pipeline.headers.suites import AptDistribution
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

# Nothing older is kept.
BEGIN = datetime(2023, 3, 1, tzinfo=timezone.utc)
# The suite without a suffix never changes after the release, so it has nothing that was removed.
SUITES = ("{codename}-updates", "{codename}-security")
_MOST_PROBES = 12
_SHORTEST = timedelta(hours=6)


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class UbuntuSnapshot:
    """Ubuntu's archive at the time when the kernel was listed.

    `released` says since when there are updates of each distro version.
    """

    name: str
    distribution: AptDistribution
    mirror: Mirror
    released: Mapping[str, datetime]
    clock: Callable[[], datetime] = _now

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        self.distribution.codename(kernel.distro_version)

        def listed(moment: datetime) -> list[str]:
            apt = self._apt(kernel, moment, work, cache, log)
            with apt.locked():
                found = same_kind(listed_releases(apt), kernel.release)
            if kernel.release not in found:
                shutil.rmtree(work / "apt")
            return found

        begin = max(BEGIN, self.released[kernel.distro_version])
        moment = search(kernel.release, listed, begin, self.clock())
        apt = self._apt(kernel, moment, work, cache, log)
        with apt.locked():
            return fetch_listed(apt, kernel.release, work, log)

    def _apt(
        self, kernel: Kernel, moment: datetime, work: Path, cache: Path, log: Log
    ) -> IsolatedApt:
        # arm64 stands beside amd64 here, unlike in the archive itself.
        uri = f"{self.mirror.address()}/{moment.strftime('%Y%m%dT%H%M%SZ')}"
        archive = self.distribution.archive(uri, SUITES, kernel.distro_version, frozen=True)
        architectures = self.distribution.architectures(kernel.architecture)
        # Not below the cache: nobody will ask for these lists again.
        return IsolatedApt(work / "apt", [archive], architectures, cache, log, lenient=True)


def search(
    release: str,
    listed: Callable[[datetime], Sequence[str]],
    begin: datetime,
    end: datetime,
) -> datetime:
    """Return a time between `begin` and `end` at which `release` is one of those `listed`.

    `listed` gives the releases of its kind at a time, oldest first. New ones only ever come, so
    a list that ends with an older one is too early, one that ends with a newer one too late.
    Raises HeadersNotFound, at once when even the last list is too early.
    """
    moment = end
    for probe in range(_MOST_PROBES):
        found = listed(moment)
        if release in found:
            return moment
        early = not found or numbers(found[-1]) < numbers(release)
        if early and probe == 0:
            newest = f"the newest is {found[-1]}" if found else "nor any of its kind"
            raise HeadersNotFound(f"{release} is not listed yet at {moment:%Y-%m-%d}; {newest}")
        begin, end = (moment, end) if early else (begin, moment)
        if end - begin < _SHORTEST:
            break
        moment = begin + (end - begin) / 2
    raise HeadersNotFound(
        f"{release} was not listed at any of {probe + 1} times between the release of the "
        f"distro version and now; the last was {moment:%Y-%m-%d}"
    )
