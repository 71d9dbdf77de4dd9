"""Compares the store with GitHub and repairs every step that was lost.

Webhooks are the fast path. They can be lost, doubled or late, so every build that is not finished
is looked at, and each step does nothing where its work is done already.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import each

if TYPE_CHECKING:
    from kmodbot.bot.build import Build
    from kmodbot.bot.completion import Completion
    from kmodbot.bot.dispatch import Dispatcher
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.deliveries import Deliveries

# GitHub redelivers for three days; an older delivery cannot come again.
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_REDELIVERY_WINDOW = timedelta(days=4)


class Reconciler:
    """Safe at any moment, and in several processes at once."""

    def __init__(
        self,
        builds: Builds,
        deliveries: Deliveries,
        dispatcher: Dispatcher,
        completion: Completion,
        proposals: Proposals,
    ) -> None:
        self._builds = builds
        self._deliveries = deliveries
        self._dispatcher = dispatcher
        self._completion = completion
        self._proposals = proposals

    async def reconcile(self) -> None:
        """Repair what can be repaired now."""
        await each(await self._dispatcher.waiting(), self._dispatcher.dispatch)
        await each(await self._builds.running(), self._look_at)
        await each(await self._builds.unproposed(), self._proposals.propose)
        await self._deliveries.forget(datetime.now(UTC) - _REDELIVERY_WINDOW)

    async def _look_at(self, build: Build) -> None:
        if build.run_id is not None:
            await self._completion.look_at(build.run_id)
