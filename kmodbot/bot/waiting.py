"""Waiting for the end of builds: one look at the store for all who wait for the same one."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.bot.build import Build
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.store.builds import Builds

# Who is not told of a change, because another process made it, finds it so much later.
_SECONDS_BETWEEN_LOOKS = 5.0


class Waiting:
    """Follows each build that somebody waits for."""

    def __init__(self, builds: Builds, changes: Changes) -> None:
        self._builds = builds
        self._changes = changes
        self._followed: dict[str, _Follower] = {}

    async def get(self, build_id: str, seconds: float) -> Build | None:
        """Return a build as soon as it is final, or as it is when the time is up.

        None when there is no such build.
        """
        if seconds <= 0:
            return await self._builds.get(build_id)
        with self._follow(build_id) as follower:
            # The others go on waiting when this caller goes away.
            await asyncio.wait({follower.task}, timeout=seconds)
            if follower.task.done():
                return follower.task.result()
            return follower.latest or await self._builds.get(build_id)

    @contextmanager
    def _follow(self, build_id: str) -> Iterator[_Follower]:
        follower = self._followed.get(build_id)
        if follower is None or follower.task.done():
            follower = _Follower(build_id, self._builds, self._changes)
            self._followed[build_id] = follower
        follower.waiting += 1
        try:
            yield follower
        finally:
            follower.waiting -= 1
            if not follower.waiting:
                follower.task.cancel()
                if self._followed.get(build_id) is follower:
                    del self._followed[build_id]


class _Follower:
    """Reads a build whenever it may have changed; ``latest`` is what was read last."""

    def __init__(self, build_id: str, builds: Builds, changes: Changes) -> None:
        self._id = build_id
        self._builds = builds
        self._changes = changes
        self.waiting = 0
        self.latest: Build | None = None
        self.task = asyncio.create_task(self._until_final())

    async def _until_final(self) -> Build | None:
        with self._changes.of(self._id) as changed:
            while True:
                changed.clear()
                self.latest = build = await self._builds.get(self._id)
                if build is None or build.phase.is_final or self._changes.closed:
                    return build
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SECONDS_BETWEEN_LOOKS):
                        await changed.wait()
