"""How long builds take, seen from the changes that this process makes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cachetools import LRUCache

from kmodbot.bot.attempts import attempt
from kmodbot.bot.build import Build, Phase

if TYPE_CHECKING:
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.metrics import BuildMetrics
    from kmodbot.bot.store.builds import Builds

_BUILDS = 10_000


class BuildTimes:
    """Counts how long builds stay in each phase, each in the process that ended the phase."""

    def __init__(self, builds: Builds, changes: Changes, metrics: BuildMetrics) -> None:
        self._builds = builds
        self._metrics = metrics
        self._changed: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self._seen: LRUCache[str, tuple[Phase, float]] = LRUCache(_BUILDS)
        changes.tell_others(self._note)

    async def run(self) -> None:
        """Look at every build that changes, until cancelled."""
        while True:
            build_id, at = await self._changed.get()

            async def look(build_id: str = build_id, at: float = at) -> None:
                build = await self._builds.get(build_id)
                if build is not None:
                    self.changed(build, at)

            await attempt(f"times of build {build_id}", look)

    def changed(self, build: Build, at: float) -> None:
        """Take note of the phase that a build was in at a moment of the monotonic clock."""
        before = self._seen.get(build.id)
        if before is not None and before[0] is build.phase:
            return
        self._seen[build.id] = (build.phase, at)
        if before is not None:
            self._metrics.left_phase(before[0], at - before[1])
        elif build.phase is Phase.DISPATCHED:
            waited = datetime.now(UTC) - build.created_at
            self._metrics.left_phase(Phase.QUEUED, waited.total_seconds())
        if build.phase.is_final:
            self._metrics.ended(build.phase)
        if build.phase is Phase.DONE and build.finished_at is not None:
            self._metrics.driver_ready((build.finished_at - build.created_at).total_seconds())

    def _note(self, build_id: str) -> None:
        self._changed.put_nowait((build_id, time.monotonic()))
