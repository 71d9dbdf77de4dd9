"""What the bot does besides answering: it works deliveries off and compares its store with GitHub.

Webhooks are the fast path. They can be lost, doubled or late, so the reconciler looks at every
build that is not finished, and each step does nothing where its work is done already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.build import Phase
from kmodbot.bot.dispatch import DispatchFailed
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
    from kmodbot.bot.watch import Watch

log = logging.getLogger(__name__)

_ATTEMPTS = 5
# Branches follow the push webhook; this is for pushes whose webhook was lost.
_SECONDS_BETWEEN_REGENERATIONS = 600
_SECONDS_AFTER_AN_ERROR = 5
# How often it is seen whether discovery is due.
_SECONDS_BETWEEN_DISCOVERIES = 60
# GitHub redelivers for three days; an older delivery cannot come again.
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_REDELIVERY_WINDOW = timedelta(days=4)


class Workers:
    """The work behind the HTTP API, in loops of one task each."""

    def __init__(
        self,
        settings: Settings,
        builds: Builds,
        deliveries: Deliveries,
        dispatcher: Dispatcher,
        completion: Completion,
        proposals: Proposals,
        watch: Watch,
    ) -> None:
        self._watch = watch
        self._settings = settings
        self._builds = builds
        self._deliveries = deliveries
        self._dispatcher = dispatcher
        self._completion = completion
        self._proposals = proposals
        self._arrived = asyncio.Event()
        self._list_changed = asyncio.Event()
        # What happened while no bot ran is not known.
        self._list_changed.set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let every loop end after the step it is in."""
        self._stopping.set()
        self._arrived.set()
        self._list_changed.set()

    def delivery_arrived(self) -> None:
        """Wake the loop that works deliveries off."""
        self._arrived.set()

    async def run(self) -> None:
        """Work until told to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat("deliveries", self._work_off_deliveries))
            group.create_task(self._repeat("reconciler", self._reconcile_and_rest))
            group.create_task(self._repeat("branches", self._regenerate_branches))
            group.create_task(self._repeat("discovery", self._rest_and_discover))

    async def _repeat(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step; an error delays the next one, but never ends the loop."""
        while not self._stopping.is_set():
            if not await _attempt(what, step):
                await self._rest(_SECONDS_AFTER_AN_ERROR)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _work_off_deliveries(self) -> None:
        await self._arrived.wait()
        self._arrived.clear()
        try:
            await self._work_off_all()
        except Exception:
            self._arrived.set()
            raise

    async def _work_off_all(self) -> None:
        """Try every delivery that waits once; those that arrive meanwhile too."""
        tried: set[str] = set()
        while page := [each for each in await self._deliveries.waiting() if each.guid not in tried]:
            for delivery in page:
                if self._stopping.is_set():
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
            _report(f"delivery {delivery.guid}", error)
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

    async def _regenerate_branches(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._list_changed.wait(), _SECONDS_BETWEEN_REGENERATIONS)
        if self._stopping.is_set():
            return
        self._list_changed.clear()
        try:
            await self._proposals.regenerate()
        except Exception:
            self._list_changed.set()
            raise

    async def _reconcile_and_rest(self) -> None:
        await self.reconcile()
        await self._rest(self._settings.reconcile_seconds)

    async def _rest_and_discover(self) -> None:
        await self._rest(_SECONDS_BETWEEN_DISCOVERIES)
        if not self._stopping.is_set():
            await self._watch.look_when_due()

    async def reconcile(self) -> None:
        """Repair every step that was lost. Safe at any moment, in several processes at once."""
        self._arrived.set()
        await _each(await self._dispatcher.waiting(), self._dispatcher.dispatch)
        await _each(await self._builds.running(), self._look_at)
        await _each(await self._builds.unproposed(), self._proposals.propose)
        await self._deliveries.forget(datetime.now(UTC) - _REDELIVERY_WINDOW)

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
    if isinstance(error, (GitHubUnavailable, DispatchFailed)):
        log.warning("%s: tried again later: %s", what, error)
    else:
        log.exception("%s: unexpected error", what, exc_info=error)
