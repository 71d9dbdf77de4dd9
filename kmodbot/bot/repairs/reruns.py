"""Runs of long ago that were run again unheard: GitHub lists runs by when they were created.

A re-run keeps its run's place in the list, however far down that is, and no filter brings it up. So
the runs of the builds that failed are looked for in the whole list, a few pages at a time.
"""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt
from kmodbot.bot.github.runs import CLOCK_SKEW
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.bot.build import Build
    from kmodbot.bot.completion import Completion
    from kmodbot.bot.github.runs import Runs
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.store.builds import Builds

WORK = "reruns"
# With the most pages that one look reads, a tenth of what the bot may ask in an hour.
SECONDS_BETWEEN_LOOKS = 3600.0
# A run can be started again for thirty days, and its latest attempt may take a while.
# https://docs.github.com/en/actions/how-tos/manage-workflow-runs/re-run-workflows-and-jobs
_LONGEST_AGE = timedelta(days=31)


@dataclass(frozen=True)
class _Progress:
    """How far the list was read, by whichever process.

    ``done`` is when it was begun to be read the last time that its end was reached, ``began`` when
    it was begun anew since, and ``left`` where that reading goes on.
    """

    done: datetime | None = None
    began: datetime | None = None
    left: datetime | None = None

    def to_json(self) -> str:
        moments = {"done": self.done, "began": self.began, "left": self.left}
        return json.dumps({name: moment and moment.isoformat() for name, moment in moments.items()})

    @classmethod
    def from_json(cls, text: str | None) -> _Progress:
        stored = json.loads(text) if text else {}
        return cls(**{name: at and datetime.fromisoformat(at) for name, at in stored.items()})


class Reruns:
    """Finds later attempts of the runs of builds that failed, however old those are."""

    def __init__(self, builds: Builds, runs: Runs, completion: Completion, turns: Turns) -> None:
        self._builds = builds
        self._runs = runs
        self._completion = completion
        self._turns = turns

    async def look(self) -> None:
        """Go on with reading the list where the last look has stopped, or begin anew.

        Raises:
            GitHubUnavailable: the list cannot be read now.

        """
        now = datetime.now(UTC)
        progress = _Progress.from_json(await self._turns.result(WORK))
        if progress.began is None:
            progress = replace(progress, began=now)
        since = None if progress.done is None else progress.done - _LONGEST_AGE
        failed = await self._builds.rerunnable(since)
        left = await self._read(failed, progress.left or now + CLOCK_SKEW)
        ended = _Progress(done=progress.began)
        progress = ended if left is None else replace(progress, left=left)
        await self._turns.record(WORK, progress.to_json())

    async def _read(self, failed: Sequence[Build], until: datetime) -> datetime | None:
        """Read the list from a moment back; return where to go on, None when all was seen."""
        # A run is created after its build; those of younger builds were read by the last looks.
        wanted = {each.run_id: each for each in failed if each.created_at <= until + CLOCK_SKEW}
        if not wanted:
            return None
        asked_at, count, last = time.monotonic(), 0, until
        oldest = min(build.created_at for build in wanted.values())
        async with aclosing(self._runs.listed(oldest - CLOCK_SKEW, until)) as listed:
            async for run in listed:
                build = wanted.pop(run.id, None)
                if build is not None and run.attempt > build.run_attempt:
                    with bind(build=build.id, run=run.id):
                        await attempt(f"build {build.id}", self._completion.compare, run, asked_at)
                if not wanted:
                    return None
                count, last = count + 1, run.created_at
        return last if count >= self._runs.most_listed else None
