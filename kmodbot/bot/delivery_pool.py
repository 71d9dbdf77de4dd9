"""Works deliveries off: a few at a time, each by one process, again after an error."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt, report
from kmodbot.bot.delivery import NotYet
from kmodbot.bot.github.errors import GitHubUnavailable
from kmodbot.bot.logs import bind, redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.deliveries import Deliveries, Delivery
    from kmodbot.bot.store.intake import Intake

_MOST_ATTEMPTS = 6
# The longest pause after the first error, and after any number of them.
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_BACKOFF_SECONDS = 5.0
_LONGEST_BACKOFF_SECONDS = 300.0
_LONGEST_OUTAGE_BACKOFF_SECONDS = 60.0
# How long what a delivery tells of may stay unseen until it is looked for again.
_SHORTEST_LAG_SECONDS, _LONGEST_LAG_SECONDS = 2.0, 30.0
# Another process may be taking what is due, so it is not looked for without a pause.
_SHORTEST_WAIT_SECONDS = 0.1
# How long arrivals may keep the pool from taking up more.
_SECONDS_FOR_ARRIVALS = 0.2


class DeliveryPool:
    """Leases what is due and gives it to ``act``, at most ``delivery_workers`` at a time."""

    def __init__(
        self,
        settings: Settings,
        deliveries: Deliveries,
        intake: Intake,
        act: Callable[[Delivery], Awaitable[None]],
    ) -> None:
        self._deliveries = deliveries
        self._intake = intake
        self._act = act
        self._size = settings.delivery_workers
        # A process that is killed blocks what it worked on for so long.
        self._lag = settings.lag_seconds
        self._lease = timedelta(seconds=settings.claim_seconds)
        self._holder = uuid.uuid4().hex
        self._running: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None
        # Recorded together with the next lease.
        self._done: list[str] = []
        self._may_have_more = False
        self._woken = asyncio.Event()
        self._parked_until = 0.0
        self._outages = 0

    def wake(self) -> None:
        """Look for work now."""
        # Who is busy looks anyway as soon as it is not.
        if self._free:
            self._woken.set()

    def unpark(self) -> None:
        """Look for work now, whatever GitHub said when it was asked last."""
        self._parked_until = 0.0
        self._woken.set()

    async def step(self) -> None:
        """Take up what is due, or wait until something may be."""
        self._woken.clear()
        wait = await self._seconds_until_due()
        if self._done or (wait is not None and wait <= 0):
            # GitHub does not wait; what it has delivered does.
            await self._intake.quiet(_SECONDS_FOR_ARRIVALS)
            if await self._take_up(0 if wait is None or wait > 0 else self._free):
                return
            wait = await self._seconds_until_due()
        with contextlib.suppress(TimeoutError):
            seconds = None if wait is None else max(wait, _SHORTEST_WAIT_SECONDS)
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def finish(self) -> None:
        """Wait for the work under way."""
        if self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Give up the work under way; another process, or the next start, takes it up at once."""
        unfinished = [*self._running]
        if self._renewing is not None:
            unfinished.append(self._renewing)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._take_up(0)
        await self._deliveries.give_back(self._holder, datetime.now(UTC))

    @property
    def _free(self) -> int:
        return self._size - len(self._running)

    async def _seconds_until_due(self) -> float | None:
        """Return how long there is nothing to take up; None until somebody says otherwise."""
        if not self._free:
            return None
        parked = self._parked_until - asyncio.get_running_loop().time()
        if parked > 0:
            return parked
        if self._may_have_more:
            return 0
        due = await self._deliveries.next_due()
        return None if due is None else (due - datetime.now(UTC)).total_seconds()

    async def _take_up(self, most: int) -> bool:
        """Record what is done, and start work on up to ``most`` deliveries that are due."""
        now = datetime.now(UTC)
        done, self._done = self._done, []
        try:
            taken = await self._deliveries.lease(self._holder, now, now + self._lease, most, done)
        except BaseException:
            self._done += done
            raise
        self._may_have_more = len(taken) == most > 0
        for delivery in taken:
            with bind(delivery=delivery.guid):
                task = asyncio.create_task(self._work_off(delivery))
            self._running.add(task)
            task.add_done_callback(self._ended)
        if taken and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_while_running())
        return bool(taken)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._woken.set()

    async def _renew_while_running(self) -> None:
        while self._running:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await attempt("leases", self._renew)
        self._renewing = None

    async def _renew(self) -> None:
        await self._deliveries.renew(self._holder, datetime.now(UTC) + self._lease)

    async def _work_off(self, delivery: Delivery) -> None:
        what = f"delivery {delivery.guid}"
        try:
            await self._act(delivery)
        except GitHubUnavailable as error:
            # No fault of the delivery: all of them wait until GitHub is back.
            report(what, error)
            self._park(error.retry_after)
            outcome = self._deliveries.give_back(self._holder, datetime.now(UTC), delivery.guid)
        except NotYet:
            pause = self._pause_of_lag(delivery)
            if pause is None:
                # From here on it is up to the repairs.
                self._done.append(delivery.guid)
                return
            next_try = datetime.now(UTC) + pause
            outcome = self._deliveries.give_back(self._holder, next_try, delivery.guid)
        except Exception as error:
            report(what, error)
            outcome = self._stumbled(delivery, redact(f"{type(error).__name__}: {error}"))
        else:
            self._outages = 0
            self._done.append(delivery.guid)
            return
        # What cannot be recorded is done again when the lease has run out.
        await attempt(what, lambda: outcome)

    def _pause_of_lag(self, delivery: Delivery) -> timedelta | None:
        """Return how long to wait for GitHub to show what it told us; None once it had its time."""
        now = datetime.now(UTC)
        waited = (now - (delivery.received_at or now)).total_seconds()
        if waited >= self._lag:
            return None
        # As long as it has waited already: each pause is twice as long as the last.
        return timedelta(seconds=min(max(waited, _SHORTEST_LAG_SECONDS), _LONGEST_LAG_SECONDS))

    def _park(self, retry_after: int | None) -> None:
        now = asyncio.get_running_loop().time()
        # Those that ran into the same outage at the same time count once.
        if self._parked_until > now:
            return
        self._outages += 1
        seconds = retry_after or min(
            _LONGEST_OUTAGE_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** (self._outages - 1)
        )
        self._parked_until = now + seconds

    async def _stumbled(self, delivery: Delivery, reason: str) -> None:
        attempts = delivery.attempts + 1
        longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**delivery.attempts)
        # Full jitter: what failed together must not come back together.
        pause = timedelta(seconds=random.uniform(0, longest))  # noqa: S311  # not a secret
        next_try = None if attempts >= _MOST_ATTEMPTS else datetime.now(UTC) + pause
        await self._deliveries.stumbled(delivery.guid, self._holder, reason, next_try)
