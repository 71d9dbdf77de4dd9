"""Webhook deliveries that failed: GitHub does not try again by itself, but does when asked.

https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.github.errors import GitHubRefused
from kmodbot.bot.logs import bind
from kmodbot.bot.store.deliveries import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmodbot.bot.github.hooks import HookDeliveries, HookDelivery
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.store.deliveries import Deliveries

log = logging.getLogger(__name__)

WORK = "redelivery"
# GitHub forgets what is older.
_WINDOW = timedelta(days=3)
# A delivery is listed under the time at which it began, and may end later than others.
_OVERLAP = timedelta(minutes=5)
# A flood of old news would only delay the new.
_MOST_AT_ONCE = 30
# That a run has begun is known from its end, and for missed pushes the branches are made anew as
# often as deliveries are asked for.
_WORTH = {("workflow_run", "completed")}
_HANDLED = {DeliveryState.RECEIVED, DeliveryState.PROCESSING, DeliveryState.DONE}


class Redelivery:
    """Has failed deliveries sent again, once each: what fails twice is found by comparing."""

    def __init__(self, deliveries: Deliveries, hooks: HookDeliveries, turns: Turns) -> None:
        self._deliveries = deliveries
        self._hooks = hooks
        self._turns = turns

    async def look(self) -> None:
        """Ask for the deliveries that failed since the last look, the oldest first.

        Raises:
            GitHubUnavailable: the list cannot be read, or the request cannot be made now.

        """
        now = datetime.now(UTC)
        last = await self._turns.looked_until(WORK)
        since = now - _WINDOW if last is None else max(last - _OVERLAP, now - _WINDOW)
        failed = failures(await self._hooks.since(since))
        states = await self._deliveries.states([each.guid for each in failed])
        missed = [each for each in failed if states.get(each.guid) not in _HANDLED]
        for delivery in missed[:_MOST_AT_ONCE]:
            with bind(delivery=delivery.guid):
                await self._redeliver(delivery)
        left = missed[_MOST_AT_ONCE:]
        until = left[0].delivered_at if left else now
        await self._turns.done_until(WORK, until)

    async def _redeliver(self, delivery: HookDelivery) -> None:
        try:
            await self._hooks.redeliver(delivery)
        except GitHubRefused as error:
            log.warning("delivery %s is not sent again: %s", delivery.guid, error)
        else:
            log.info("delivery %s (%s) is sent again", delivery.guid, delivery.event)


def failures(attempts: Iterable[HookDelivery]) -> list[HookDelivery]:
    """Return one attempt of every event that was never delivered, the oldest first.

    ``attempts`` are of any order. Events that the bot does not act on are left out, and so are
    those that were sent a second time already.
    """
    of_event: dict[str, list[HookDelivery]] = {}
    for attempt in attempts:
        of_event.setdefault(attempt.guid, []).append(attempt)
    failed = [
        tries[0]
        for tries in of_event.values()
        if not any(each.is_ok or each.is_redelivery for each in tries)
        and (tries[0].event, tries[0].action) in _WORTH
    ]
    return sorted(failed, key=lambda attempt: (attempt.delivered_at, attempt.id))
