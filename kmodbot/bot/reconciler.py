"""Compares the store with GitHub and repairs every step that was lost.

Webhooks are the fast path. They can be lost, doubled or late, so whatever is not finished is looked
at again, and each step does nothing where its work is done already.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt, each
from kmodbot.bot.repairs import recovery, redelivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.repairs.backlog import Backlog
    from kmodbot.bot.repairs.overdue import Overdue
    from kmodbot.bot.repairs.recovery import Recovery
    from kmodbot.bot.repairs.redelivery import Redelivery
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

# As many as the pause between writes lets through in a minute; the others follow in the next turn.
_MOST_PROPOSALS = 20


@dataclass
class Reconciler:
    """Safe at any moment. Of several processes one at a time does what costs GitHub calls."""

    settings: Settings
    builds: Builds
    proposals: Proposals
    turns: Turns
    backlog: Backlog
    overdue: Overdue
    recovery: Recovery
    redelivery: Redelivery

    async def reconcile(self) -> None:
        """Repair what can be repaired now; one repair that fails does not stop the others."""
        often, rarely = self.settings.repair_seconds, self.settings.redeliver_seconds
        async with asyncio.TaskGroup() as group:
            # A claim in the store sees to it that each build is started by one process.
            group.create_task(_tried("builds that wait", self.backlog.start_all))
            for work, seconds, repair in (
                ("overdue", often, self._look_at_overdue),
                (recovery.WORK, rarely, self.recovery.look),
                (redelivery.WORK, rarely, self.redelivery.look),
            ):
                group.create_task(self._in_turn(work, seconds, repair))

    async def catch_up(self) -> None:
        """Take in the runs that the store does not know; for the start, before the first request.

        A store that is new, or that was restored from a backup, does not know what is under way.
        Who asks for it before it is known would start it once more. It is also how the log says at
        the start, and not when the first node asks, that GitHub does not let us in.
        """
        # Whoever has the turn may have failed in it, or may be of the time before the backup.
        await self.turns.take(recovery.WORK, self.settings.redeliver_seconds)
        await _tried(recovery.WORK, self.recovery.look)

    async def _in_turn(
        self, work: str, seconds: float, repair: Callable[[], Awaitable[None]]
    ) -> None:
        if await self.turns.take(work, seconds):
            await _tried(work, repair)

    async def _look_at_overdue(self) -> None:
        await _tried("overdue builds", self.overdue.look)
        unproposed = await self.builds.unproposed(await self.builds.now())
        await each(unproposed[:_MOST_PROPOSALS], self.proposals.propose)


async def _tried(what: str, step: Callable[[], Awaitable[None]]) -> None:
    await attempt(what, step)
