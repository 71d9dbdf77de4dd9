"""What the bot does besides answering: it works deliveries off and compares its store with GitHub.

Webhooks are the fast path. They can be lost, doubled or late, so the reconciler looks at every
build that is not finished, and each step does nothing where its work is done already.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kmodbot.bot.build import Phase
from kmodbot.bot.events import ListChanged, parse_event
from kmodbot.bot.github.errors import GitHubUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kmodbot.bot.build import Build
    from kmodbot.bot.completion import Completion
    from kmodbot.bot.dispatch import Dispatcher
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.deliveries import Deliveries, Delivery

log = logging.getLogger(__name__)

_ATTEMPTS = 5
# Branches follow the push webhook; this is for pushes whose webhook was lost.
_SECONDS_BETWEEN_REGENERATIONS = 600


class Workers:
    """The work behind the HTTP API, in two loops of one task each."""

    def __init__(
        self,
        settings: Settings,
        builds: Builds,
        deliveries: Deliveries,
        dispatcher: Dispatcher,
        completion: Completion,
        proposals: Proposals,
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._deliveries = deliveries
        self._dispatcher = dispatcher
        self._completion = completion
        self._proposals = proposals
        self._arrived = asyncio.Event()

    def delivery_arrived(self) -> None:
        """Wake the loop that works deliveries off."""
        self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_off_deliveries())
            group.create_task(self._reconcile_for_ever())

    async def _work_off_deliveries(self) -> None:
        while True:
            self._arrived.clear()
            for delivery in await self._deliveries.waiting():
                await self._work_off(delivery)
            await self._arrived.wait()

    async def _work_off(self, delivery: Delivery) -> None:
        try:
            await self._act_on(delivery)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            await self._deliveries.stumbled(delivery, reason, attempts_allowed=_ATTEMPTS)
            _report(f"delivery {delivery.guid}", error)
        else:
            await self._deliveries.done(delivery.guid)

    async def _act_on(self, delivery: Delivery) -> None:
        event = parse_event(delivery.event, delivery.payload, self._settings.repository)
        if isinstance(event, ListChanged):
            await self._proposals.regenerate()
        elif event is not None:
            build = await self._completion.seen(event.run_id, event.action)
            if build is not None and build.phase is Phase.DONE and not build.proposed:
                await self._proposals.propose(build)

    async def _reconcile_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        regenerate_at = loop.time()
        while True:
            await self.reconcile()
            if loop.time() >= regenerate_at and await _attempt(
                "branches", self._proposals.regenerate
            ):
                regenerate_at = loop.time() + _SECONDS_BETWEEN_REGENERATIONS
            await asyncio.sleep(self._settings.reconcile_seconds)

    async def reconcile(self) -> None:
        """Repair every step that was lost. Safe at any moment, in several processes at once."""
        self._arrived.set()
        await self._dispatcher.dispatch_waiting()
        await _each(await self._builds.running(), self._look_at)
        await _each(await self._builds.unproposed(), self._proposals.propose)

    async def _look_at(self, build: Build) -> None:
        if build.run_id is not None:
            await self._completion.look_at(build.run_id)


async def _each(builds: Iterable[Build], step: Callable[[Build], Awaitable[None]]) -> None:
    for build in builds:
        await _attempt(f"build {build.id}", step, build)


async def _attempt(what: str, step: Callable[..., Awaitable[None]], *arguments: Build) -> bool:
    """Take one step; report an error instead of letting it stop the others."""
    try:
        await step(*arguments)
    except Exception as error:
        _report(what, error)
        return False
    return True


def _report(what: str, error: Exception) -> None:
    # An outage of GitHub is no fault of ours and needs no traceback; it is tried again.
    if isinstance(error, GitHubUnavailable):
        log.warning("%s: tried again later: %s", what, error)
    else:
        log.exception("%s: unexpected error", what, exc_info=error)
