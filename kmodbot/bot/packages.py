"""Which packages exist: what the releases hold, remembered for a short while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from kmodbot.bot.build import Package, Target
    from kmodbot.bot.github.releases import Releases

_RELEASES = 1024


class PackageIndex:
    """The packages of each release, as read at most ``max_age`` seconds ago.

    Any number of nodes that ask about one release within that time cost GitHub one request.
    """

    def __init__(self, releases: Releases, max_age: float) -> None:
        self._releases = releases
        # Tasks, not their results, so that those who ask at the same moment share one request.
        self._reads: TTLCache[str, asyncio.Task[dict[str, Package]]] = TTLCache(_RELEASES, max_age)

    async def find(self, target: Target) -> Package | None:
        """Return the package of ``target``, None when its release does not hold it.

        Raises:
            GitHubUnavailable: the release could not be read.

        """
        return (await self._packages(target.tag)).get(target.package)

    async def find_now(self, target: Target) -> Package | None:
        """Like :meth:`find`, but ask GitHub again, whatever is remembered."""
        self._reads.pop(target.tag, None)
        return await self.find(target)

    async def _packages(self, tag: str) -> dict[str, Package]:
        read = self._reads.get(tag)
        if read is None:
            read = asyncio.create_task(self._releases.packages(tag))
            self._reads[tag] = read
        try:
            # One caller that is cancelled must not take the answer from the others.
            return await asyncio.shield(read)
        except Exception:
            if self._reads.get(tag) is read:
                del self._reads[tag]
            raise
