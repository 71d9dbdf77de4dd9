"""Compares the store with GitHub and repairs every step that was lost.

Webhooks are the fast path. They can be lost, doubled or late, so whatever is not finished is looked
at again, and each step does nothing where its work is done already.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt, each
from kmodbot.bot.repairs import recovery, redelivery, reruns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.repairs.backlog import Backlog
    from kmodbot.bot.repairs.overdue import Overdue
    from kmodbot.bot.repairs.recovery import Recovery
    from kmodbot.bot.repairs.redelivery import Redelivery
    from kmodbot.bot.repairs.reruns import Reruns
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

# As many as the pause between writes lets through in a minute; the others follow in the next turn.
_MOST_PROPOSALS = 20
_SECONDS_FOR_A_LOOK = 1.0


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
    reruns: Reruns

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
                (reruns.WORK, reruns.SECONDS_BETWEEN_LOOKS, self.reruns.look),
            ):
                turn = functools.partial(self._in_turn, work, seconds, repair)
                group.create_task(_tried(work, turn))

    async def redeliver(self) -> None:
        """Ask for failed deliveries out of turn, once the store can take them.

        Raises what the store raises while it cannot.

        Raises:
            GitHubUnavailable: GitHub cannot be asked now.

        """
        await self._out_of_turn(redelivery.WORK, self.redelivery.look)

    async def catch_up(self) -> None:
        """Take in the runs that the store does not know; for the start, before the first request.

        A store that is new, or that was restored from a backup, does not know what is under way.
        Who asks for it before it is known would start it once more. It is also how the log says at
        the start, and not when the first node asks, that GitHub does not let us in.
        """
        look = functools.partial(self._out_of_turn, recovery.WORK, self.recovery.look)
        if await attempt(recovery.WORK, look):
            self.backlog.caught_up()

    async def _out_of_turn(self, work: str, repair: Callable[[], Awaitable[None]]) -> None:
        is_ours = False
        while not is_ours:
            await self.turns.hasten(work)
            async with self.turns.turn(work, self.settings.redeliver_seconds) as is_ours:
                if is_ours:
                    await repair()
            if not is_ours:
                # A look that goes on has begun too early, or its process is dead.
                await asyncio.sleep(_SECONDS_FOR_A_LOOK)

    async def _in_turn(
        self, work: str, seconds: float, repair: Callable[[], Awaitable[None]]
    ) -> None:
        async with self.turns.turn(work, seconds) as is_ours:
            if is_ours:
                await _tried(work, repair)

    async def _look_at_overdue(self) -> None:
        await _tried("overdue builds", self.overdue.look)
        unproposed = await self.builds.unproposed(await self.builds.now())
        await each(unproposed[:_MOST_PROPOSALS], self.proposals.propose)


async def _tried(what: str, step: Callable[[], Awaitable[None]]) -> None:
    await attempt(what, step)
