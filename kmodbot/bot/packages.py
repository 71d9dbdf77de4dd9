"""Which packages exist: what the releases hold, asked for as rarely as possible.

Of a public repository everybody may ask whether a package can be downloaded, and that is no call of
GitHub's API. The API is asked when there is a package to describe, and for private repositories.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cachetools import LRUCache

from kmodbot.bot.shared import SharedReadings
from kmodbot.kernels import download_url

if TYPE_CHECKING:
    from kmodbot.bot.build import Package, Target
    from kmodbot.bot.github.downloads import Downloads
    from kmodbot.bot.github.releases import Releases
    from kmodbot.bot.github.repository import RepositoryInfo

_RELEASES = 1024
_PACKAGES = 8192
_SECONDS_A_MISS_HOLDS = 2.0
# Somebody may delete a package and publish another under its name, which has another digest.
_SECONDS_A_DIGEST_HOLDS = 900.0


class PackageIndex:
    """The packages of each release, as read at most ``max_age`` seconds ago.

    Any number of nodes that ask about one release within that time cost GitHub one request.
    """

    def __init__(
        self,
        releases: Releases,
        downloads: Downloads,
        repository: RepositoryInfo,
        max_age: float,
    ) -> None:
        self._releases = releases
        self._downloads = downloads
        self._repository = repository
        self._max_age = max_age
        self._reads: SharedReadings[str, dict[str, Package]] = SharedReadings(_RELEASES, max_age)
        self._described: LRUCache[Target, float] = LRUCache(_PACKAGES)
        self._looks: SharedReadings[Target, bool | None] = SharedReadings(_PACKAGES, max_age)

    async def find(self, target: Target, *, max_age: float | None = None) -> Package | None:
        """Return the package of ``target``, None when its release does not hold it.

        ``max_age`` asks for an answer that is at most so many seconds old; 0 always asks GitHub.

        Raises:
            GitHubUnavailable: the release could not be read.

        """
        age = self._max_age if max_age is None else max_age
        tag = target.tag
        packages = await self._reads.get(tag, age, lambda: self._releases.packages(tag))
        return packages.get(target.package)

    async def find_since(self, target: Target, moment: float | None) -> Package | None:
        """Return the package of ``target`` as read since a moment of ``time.monotonic``, or now."""
        age = 0.0 if moment is None else time.monotonic() - moment
        return await self.find(target, max_age=age)

    async def confirm(self, target: Target, known: Package) -> Package | None:
        """Return the package of ``target`` that was seen before, None when it is there no more.

        Raises:
            GitHubUnavailable: that is not known now.

        """
        if await self._is_downloadable(target, self._max_age):
            return await self._as_it_is_now(target, known)
        # Before a package that we published counts as gone, the API is asked for certain.
        return await self.find(target) or await self.find(target, max_age=0)

    async def must_ask(self, target: Target) -> bool:
        """Tell whether GitHub's API has to be called to discover a package that nobody published.

        Raises:
            GitHubError: that is not known now.

        """
        facts = await self._repository.facts()
        return facts.is_private and not self._reads.has(target.tag, _SECONDS_A_MISS_HOLDS)

    async def _as_it_is_now(self, target: Target, known: Package) -> Package:
        """Read a package that is there again once in a while; a node's boot costs no call."""
        now = time.monotonic()
        if now - self._described.setdefault(target, now) < _SECONDS_A_DIGEST_HOLDS:
            return known
        self._described[target] = now
        return await self.find(target) or known

    async def discover(self, target: Target) -> Package | None:
        """Return the package of ``target``, which we have not published; None when there is none.

        Raises:
            GitHubUnavailable: that is not known now.

        """
        if await self._is_downloadable(target, _SECONDS_A_MISS_HOLDS) is False:
            return None
        # What was missing a moment ago may have been published since, by others.
        return await self.find(target) or await self.find(target, max_age=_SECONDS_A_MISS_HOLDS)

    async def _is_downloadable(self, target: Target, max_age: float) -> bool | None:
        """Tell whether anybody can download a package; None when that says nothing."""
        facts = await self._repository.facts()
        if facts.is_private:
            return None
        url = download_url(facts.server_url, facts.full_name, target.tag, target.package)
        return await self._looks.get(target, max_age, lambda: self._downloads.exists(url))
