"""The loops behind the HTTP API, of one task each."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt, report
from kmodbot.bot.github.errors import GitHubUnavailable
from kmodbot.bot.watch import SECONDS_BETWEEN_TURNS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.delivery_pool import DeliveryPool
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.reconciler import Reconciler
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.retention import Retention
    from kmodbot.bot.watch import Watch

# Branches follow the push webhook; this is for pushes whose webhook was lost.
_SECONDS_BETWEEN_REGENERATIONS = 600
_SECONDS_AFTER_AN_ERROR = 5
_SECONDS_BETWEEN_FORGETTING = 3600
_SECONDS_UNTIL_FAILURES_ARE_LISTED = 30
_SECONDS_AFTER_AN_OUTAGE = 60


class Workers:
    """The work behind the HTTP API."""

    def __init__(
        self,
        settings: Settings,
        pool: DeliveryPool,
        reconciler: Reconciler,
        proposals: Proposals,
        watch: Watch,
        retention: Retention,
        list_changed: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._reconciler = reconciler
        self._proposals = proposals
        self._watch = watch
        self._retention = retention
        self._list_changed = list_changed
        # What happened while no bot ran is not known.
        self._list_changed.set()
        self._stopping = asyncio.Event()
        self._refused = asyncio.Event()

    def stop(self) -> None:
        """Let every loop end after the step it is in."""
        self._stopping.set()
        self._pool.wake()
        self._reconciler.backlog.wake()
        self._list_changed.set()
        self._refused.set()

    def delivery_arrived(self) -> None:
        """Wake the loop that works deliveries off."""
        self._pool.wake()

    def delivery_refused(self) -> None:
        """Have GitHub deliver again what the store could not take, as soon as it can."""
        self._refused.set()

    async def run(self) -> None:
        """Work until told to stop, and end what is under way then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat("deliveries", self._pool.step))
                group.create_task(self._repeat("reconciler", self._reconcile_and_rest))
                group.create_task(self._repeat("refused deliveries", self._redeliver_refused))
                group.create_task(self._repeat("builds that wait", self._start_waiting))
                group.create_task(self._repeat("branches", self._regenerate_branches))
                group.create_task(self._repeat("discovery", self._rest_and_discover))
                group.create_task(self._repeat("retention", self._forget_and_rest))
            await self._pool.finish()
        finally:
            await attempt("deliveries", self._pool.close)

    async def catch_up(self) -> None:
        """Do what comes before the first request."""
        await self._reconciler.catch_up()

    async def reconcile(self) -> None:
        """Compare the store with GitHub now, and try waiting deliveries again."""
        self._pool.unpark()
        await self._reconciler.reconcile()

    async def _repeat(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step; an error delays the next one, but never ends the loop."""
        while not self._stopping.is_set():
            if not await attempt(what, step):
                await self._rest(_SECONDS_AFTER_AN_ERROR)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _regenerate_branches(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._list_changed.wait(), _SECONDS_BETWEEN_REGENERATIONS)
        if self._stopping.is_set():
            return
        if not self._list_changed.is_set():
            # Of several processes one looks whether a push was missed.
            turns = self._reconciler.turns
            async with turns.turn("regeneration", _SECONDS_BETWEEN_REGENERATIONS) as is_ours:
                if is_ours:
                    await self._proposals.regenerate()
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

    async def _redeliver_refused(self) -> None:
        await self._refused.wait()
        if self._stopping.is_set():
            return
        try:
            await self._reconciler.redeliver()
            # GitHub may need a moment to list what it has just failed to deliver.
            await self._rest(_SECONDS_UNTIL_FAILURES_ARE_LISTED)
            self._refused.clear()
            await self._reconciler.redeliver()
        except GitHubUnavailable as error:
            self._refused.set()
            report("refused deliveries", error)
            await self._rest(error.retry_after or _SECONDS_AFTER_AN_OUTAGE)
        except Exception:
            # While the store is away this is tried every few seconds.
            self._refused.set()
            raise

    async def _start_waiting(self) -> None:
        await self._reconciler.backlog.work_off(self._stopping)

    async def _rest_and_discover(self) -> None:
        await self._rest(SECONDS_BETWEEN_TURNS)
        if not self._stopping.is_set():
            await self._watch.look_when_due()

    async def _forget_and_rest(self) -> None:
        await self._retention.forget(datetime.now(UTC))
        await self._rest(_SECONDS_BETWEEN_FORGETTING)
