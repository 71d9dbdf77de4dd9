"""What a webhook delivery leads to, once it is stored."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kmodbot.bot.build import Phase
from kmodbot.bot.events import ListChanged, RunChanged, parse_event
from kmodbot.bot.logs import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.completion import Completion
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.deliveries import Delivery


class DeliveryWork:
    """Acts on deliveries; ``list_changed`` is set when kernels.json changed."""

    def __init__(
        self,
        settings: Settings,
        completion: Completion,
        proposals: Proposals,
        list_changed: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._completion = completion
        self._proposals = proposals
        self._list_changed = list_changed
        self._runs: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def act_on(self, delivery: Delivery) -> None:
        """Do what the event of a delivery asks for; doing it twice changes nothing."""
        event = parse_event(delivery.event, delivery.payload, self._settings)
        if isinstance(event, ListChanged):
            # Any number of pushes meanwhile cost one regeneration; a new start regenerates too.
            self._list_changed.set()
        elif event is not None:
            # What goes wrong is logged by whoever called us, and is about this run too.
            note(run=event.run_id)
            async with self._turn(event.run_id):
                await self._follow(event)

    async def _follow(self, event: RunChanged) -> None:
        build = await self._completion.seen(event)
        if build is not None and build.phase is Phase.DONE and not build.proposed:
            await self._proposals.propose(build)

    @asynccontextmanager
    async def _turn(self, run_id: int) -> AsyncIterator[None]:
        """Wait for those who work on the same run.

        Two at once would do no harm, but ask GitHub for the same things.
        """
        lock = self._runs.setdefault(run_id, asyncio.Lock())
        async with lock:
            yield
