"""Builds of which nothing has been heard for too long: the list of runs says how they are."""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt
from kmodbot.bot.github.runs import CLOCK_SKEW
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    from kmodbot.bot.build import Build
    from kmodbot.bot.completion import Completion
    from kmodbot.bot.github.runs import Runs
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

# Runs that are in no list, because they are too many or were deleted, are asked for one by one.
_MOST_ASKED = 20
# So much longer than a build may take its run is looked for in the list.
_LISTED_LONGER = timedelta(days=1)


class Overdue:
    """Compares all overdue builds with GitHub in one listed call for every hundred runs."""

    def __init__(
        self, settings: Settings, builds: Builds, runs: Runs, completion: Completion
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._runs = runs
        self._completion = completion
        self._longest = timedelta(seconds=settings.build_seconds)
        self._has_looked = False

    async def look(self) -> None:
        """Bring every overdue build up to date, and all of them the first time.

        What was to be heard while this process did not run is not known.

        Raises:
            GitHubUnavailable: the list cannot be read now.

        """
        now = datetime.now(UTC)
        patience = timedelta(seconds=self._settings.overdue_seconds if self._has_looked else 0)
        overdue = await self._builds.running(created_before=now - patience)
        for lost in overdue:
            if lost.run_id is None and now - lost.created_at > self._longest:
                with bind(build=lost.id):
                    await self._completion.lose(lost)
        wanted = {build.run_id: build for build in overdue if build.run_id is not None}
        if wanted:
            await self._compare_with_list(wanted, now)
        for build in list(wanted.values())[:_MOST_ASKED]:
            with bind(build=build.id, run=build.run_id):
                await attempt(f"build {build.id}", self._ask, build)
        self._has_looked = True

    async def _compare_with_list(self, wanted: dict[int, Build], now: datetime) -> None:
        """Bring the builds up to date whose runs are listed, and take them from ``wanted``."""
        # A run that is run again stays where it was in the list, which may be far down.
        recent = now - self._longest - _LISTED_LONGER
        oldest = min(
            (each.created_at for each in wanted.values() if each.created_at > recent), default=None
        )
        if oldest is None:
            return
        # The builds of one release share one look at what it holds.
        asked_at = time.monotonic()
        async with aclosing(self._runs.listed(oldest - CLOCK_SKEW, now + CLOCK_SKEW)) as listed:
            async for run in listed:
                build = wanted.pop(run.id, None)
                if build is not None:
                    with bind(build=build.id, run=run.id):
                        await attempt(f"build {build.id}", self._completion.compare, run, asked_at)
                if not wanted:
                    break

    async def _ask(self, build: Build) -> None:
        if build.run_id is not None:
            await self._completion.look_at(build.run_id)
