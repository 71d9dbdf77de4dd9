"""Runs that the store does not know, or whose re-run was not heard of: GitHub's list has them.

They were started by hand in GitHub's pages, by a bot whose store was lost, or by a dispatch whose
answer was.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt
from kmodbot.bot.build import Phase
from kmodbot.bot.github.runs import CLOCK_SKEW
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    from kmodbot.bot.completion import Completion
    from kmodbot.bot.github.runs import Runs, WorkflowRun
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

WORK = "recovery"
_FIRST_WINDOW = timedelta(days=3)


class Recovery:
    """Looks through the runs of late for those that belong to a build all the same."""

    def __init__(
        self,
        settings: Settings,
        builds: Builds,
        runs: Runs,
        completion: Completion,
        turns: Turns,
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._runs = runs
        self._completion = completion
        self._turns = turns

    async def look(self) -> None:
        """Take in what was missed since the last look.

        Raises:
            GitHubUnavailable: the list cannot be read now.

        """
        now = datetime.now(UTC)
        asked_at = time.monotonic()
        async with aclosing(self._runs.listed(await self._since(now), now + CLOCK_SKEW)) as listed:
            async for run in listed:
                if await self._is_news(run):
                    with bind(run=run.id):
                        await attempt(f"run {run.id}", self._completion.compare, run, asked_at)
        await self._turns.done_until(WORK, now)

    async def _since(self, now: datetime) -> datetime:
        """Return when the oldest run was created that may have changed since the last look."""
        last = await self._turns.looked_until(WORK)
        if last is None:
            return now - _FIRST_WINDOW
        longest = timedelta(seconds=self._settings.build_seconds)
        return max(last - longest - CLOCK_SKEW, now - _FIRST_WINDOW)

    async def _is_news(self, run: WorkflowRun) -> bool:
        build = await self._builds.of_run(run.id)
        if build is None:
            return True
        return build.phase is Phase.ERROR and run.attempt > build.run_attempt
