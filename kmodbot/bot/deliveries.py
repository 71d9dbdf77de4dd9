"""What a webhook delivery leads to, once it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.attempts import report
from kmodbot.bot.build import Phase
from kmodbot.bot.events import ListChanged, parse_event
from kmodbot.bot.github.errors import GitHubUnavailable

if TYPE_CHECKING:
    import asyncio

    from kmodbot.bot.completion import Completion
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.deliveries import Deliveries, Delivery

_ATTEMPTS = 5


class DeliveryWork:
    """Works off the deliveries in the store; ``list_changed`` is set when kernels.json changed."""

    def __init__(
        self,
        settings: Settings,
        deliveries: Deliveries,
        completion: Completion,
        proposals: Proposals,
        list_changed: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._deliveries = deliveries
        self._completion = completion
        self._proposals = proposals
        self._list_changed = list_changed

    async def work_off_all(self, stopping: asyncio.Event) -> None:
        """Try every delivery that waits once; those that arrive meanwhile too."""
        tried: set[str] = set()
        while page := [each for each in await self._deliveries.waiting() if each.guid not in tried]:
            for delivery in page:
                if stopping.is_set():
                    return
                tried.add(delivery.guid)
                await self._work_off(delivery)

    async def _work_off(self, delivery: Delivery) -> None:
        try:
            await self._act_on(delivery)
        except GitHubUnavailable:
            # No fault of the delivery: all of them wait until GitHub is back.
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            await self._deliveries.stumbled(delivery, reason, attempts_allowed=_ATTEMPTS)
            report(f"delivery {delivery.guid}", error)
        else:
            await self._deliveries.done(delivery.guid)

    async def _act_on(self, delivery: Delivery) -> None:
        event = parse_event(delivery.event, delivery.payload, self._settings)
        if isinstance(event, ListChanged):
            # Any number of pushes meanwhile cost one regeneration; a new start regenerates too.
            self._list_changed.set()
        elif event is not None:
            build = await self._completion.seen(event.run_id, event.action)
            if build is not None and build.phase is Phase.DONE and not build.proposed:
                await self._proposals.propose(build)
