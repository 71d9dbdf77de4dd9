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
from kmodbot.pipeline.headers.advice import elsewhere
from kmodbot.pipeline.headers.apt import IsolatedApt, SuitesAbsent
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
# Where to look while nothing of the kind was seen, as shares of the time back from the end.
_BLIND = (0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 3 / 8, 5 / 8, 7 / 8)
_SHORTEST = timedelta(hours=6)


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class UbuntuSnapshot:
    """Ubuntu's archive at the time when the kernel was listed.

    `released` says since when there are updates of each distro version, `ended` until when.
    """

    name: str
    distribution: AptDistribution
    mirror: Mirror
    released: Mapping[str, datetime]
    ended: Mapping[str, datetime]
    clock: Callable[[], datetime] = _now

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        self.distribution.codename(kernel.distro_version)
        origin = elsewhere(kernel)
        if origin and not origin.sometimes:
            raise HeadersNotFound("not asked, because such kernels were never in the archive")

        def listed(moment: datetime) -> list[str]:
            apt = self._apt(kernel, moment, work, cache, log)
            found = _listed(apt, kernel.release)
            if kernel.release not in found:
                shutil.rmtree(work / "apt")
            return found

        begin = max(BEGIN, self.released[kernel.distro_version])
        now = self.clock()
        end = min(now, self.ended.get(kernel.distro_version, now))
        moment = search(kernel.release, listed, begin, end)
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


def _listed(apt: IsolatedApt, release: str) -> list[str]:
    try:
        with apt.locked():
            return same_kind(listed_releases(apt), release)
    except SuitesAbsent:
        # Of a version that ended, the suites are gone one day.
        return []


def search(
    release: str,
    listed: Callable[[datetime], Sequence[str]],
    begin: datetime,
    end: datetime,
) -> datetime:
    """Return a time between `begin` and `end` at which `release` is one of those `listed`.

    `listed` gives the releases of its kind at a time, oldest first. New ones only ever come, so
    a list that ends with an older one is too early, one that ends with a newer one too late. A kind
    may come and leave as a whole. Raises HeadersNotFound, at once when the last list is too early.
    """
    moment, found, gaps = _first_sighting(release, listed, begin, end)
    if moment == end and numbers(found[-1]) < numbers(release):
        newest = f"the newest is {found[-1]}"
        raise HeadersNotFound(f"{release} is not listed yet at {end:%Y-%m-%d}; {newest}")
    low = max([begin, *(gap for gap in gaps if gap < moment)])
    high = min([end, *(gap for gap in gaps if gap > moment)])
    newer_seen = False
    for probe in range(1, _MOST_PROBES + 1):
        if release in found:
            return moment
        newer_seen = newer_seen or bool(found and numbers(found[-1]) > numbers(release))
        # Before newer ones an empty list is from before the kind came, else from after it left.
        early = numbers(found[-1]) < numbers(release) if found else newer_seen
        low, high = (moment, high) if early else (low, moment)
        if probe == _MOST_PROBES or high - low < _SHORTEST:
            break
        moment = low + (high - low) / 2
        found = listed(moment)
    raise HeadersNotFound(
        f"{release} was not listed at any of {len(gaps) + probe} times between {begin:%Y-%m-%d} "
        f"and {end:%Y-%m-%d}; the last was {moment:%Y-%m-%d}"
    )


def _first_sighting(
    release: str, listed: Callable[[datetime], Sequence[str]], begin: datetime, end: datetime
) -> tuple[datetime, Sequence[str], list[datetime]]:
    """Return a time at which anything is listed, what that is, and the times without anything."""
    gaps: list[datetime] = []
    for share in _BLIND:
        moment = end - (end - begin) * share
        found = listed(moment)
        if found:
            return moment, found, gaps
        gaps.append(moment)
    raise HeadersNotFound(
        f"{release} was not listed, nor any of its kind, at any of {len(gaps)} times between "
        f"{begin:%Y-%m-%d} and {end:%Y-%m-%d}"
    )
