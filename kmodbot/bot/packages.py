"""Which packages exist: what the releases hold, remembered for a short while."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from kmodbot.bot.build import Package, Target
    from kmodbot.bot.github.releases import Releases

_RELEASES = 1024


@dataclass(frozen=True)
class _Read:
    """One reading of a release: a task, so that those who ask meanwhile share it."""

    task: asyncio.Task[dict[str, Package]]
    started: float = field(default_factory=time.monotonic)


class PackageIndex:
    """The packages of each release, as read at most ``max_age`` seconds ago.

    Any number of nodes that ask about one release within that time cost GitHub one request.
    """

    def __init__(self, releases: Releases, max_age: float) -> None:
        self._releases = releases
        self._max_age = max_age
        self._reads: TTLCache[str, _Read] = TTLCache(_RELEASES, max_age)

    async def find(self, target: Target, *, max_age: float | None = None) -> Package | None:
        """Return the package of ``target``, None when its release does not hold it.

        ``max_age`` asks for an answer that is at most so many seconds old; 0 always asks GitHub.

        Raises:
            GitHubUnavailable: the release could not be read.

        """
        age = self._max_age if max_age is None else max_age
        return (await self._packages(target.tag, age)).get(target.package)

    async def _packages(self, tag: str, max_age: float) -> dict[str, Package]:
        read = self._reads.get(tag)
        if read is None or time.monotonic() - read.started >= max_age:
            read = _Read(asyncio.create_task(self._releases.packages(tag)))
            self._reads[tag] = read
        try:
            # One caller that is cancelled must not take the answer from the others.
            return await asyncio.shield(read.task)
        except Exception:
            if self._reads.get(tag) is read:
                del self._reads[tag]
            raise
