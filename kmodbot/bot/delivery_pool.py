"""Works deliveries off: a few at a time, each by one process, again after an error."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from cachetools import LRUCache

from kmodbot.bot.attempts import attempt, report
from kmodbot.bot.delivery import NotYet
from kmodbot.bot.github.errors import GitHubLimited, GitHubUnavailable, GitHubUnreachable
from kmodbot.bot.logs import bind, redact
from kmodbot.bot.store.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.deliveries import Deliveries, Delivery
    from kmodbot.bot.store.intake import Intake

_MOST_ATTEMPTS = 6
# The longest pause after the first error, and after any number of them.
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_BACKOFF_SECONDS = 5.0
_LONGEST_BACKOFF_SECONDS = 300.0
_LONGEST_OUTAGE_BACKOFF_SECONDS = 60.0
# So many deliveries that GitHub could not serve, and none in between that it could, are an outage.
_OUTAGE = 3
# Longer than GitHub may be expected to be away; what it cannot serve for so long dies in the end.
_PATIENCE = timedelta(hours=12)
_MOST_REMEMBERED = 1024
# How long what a delivery tells of may stay unseen until it is looked for again.
_SHORTEST_LAG_SECONDS, _LONGEST_LAG_SECONDS = 2.0, 30.0
# Another process may be taking what is due, so it is not looked for without a pause.
_SHORTEST_WAIT_SECONDS = 0.1
# How long arrivals may keep the pool from taking up more.
_SECONDS_FOR_ARRIVALS = 1.0


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
        self._now = deliveries.now
        self._intake = intake
        intake.stored_late = self.wake
        self._act = act
        self._size = settings.delivery_workers
        self._lag = settings.lag_seconds
        # A process that is killed blocks what it worked on for so long.
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
        # Those that GitHub could not serve since it last served one, and how often each of late.
        self._unserved: set[str] = set()
        self._tries: LRUCache[str, int] = LRUCache(_MOST_REMEMBERED)

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
        await self._deliveries.give_back(self._holder, await self._now())

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
        return None if due is None else (due - await self._now()).total_seconds()

    async def _take_up(self, most: int) -> bool:
        """Record what is done, and start work on up to ``most`` deliveries that are due."""
        now = await self._now()
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
        await self._deliveries.renew(self._holder, await self._now() + self._lease)

    async def _work_off(self, delivery: Delivery) -> None:
        what = f"delivery {delivery.guid}"
        try:
            await self._act(delivery)
        except GitHubUnavailable as error:
            report(what, error)
            outcome = self._put_off(delivery, error)
        except LeaseLost as error:
            # That is no fault of the delivery, and whoever has the lease now will be done soon.
            report(what, error)
            outcome = self._deliveries.give_back(
                self._holder, await self._now() + _pause(0), delivery.guid
            )
        except NotYet:
            now = await self._now()
            pause = self._pause_of_lag(delivery, now)
            if pause is None:
                # From here on it is up to the repairs.
                self._done.append(delivery.guid)
                return
            outcome = self._deliveries.give_back(self._holder, now + pause, delivery.guid)
        except Exception as error:
            report(what, error)
            outcome = self._stumbled(delivery, redact(f"{type(error).__name__}: {error}"))
        else:
            self._outages = 0
            self._unserved.clear()
            self._tries.pop(delivery.guid, None)
            self._done.append(delivery.guid)
            return
        # What cannot be recorded is done again when the lease has run out.
        await attempt(what, lambda: outcome)

    async def _put_off(self, delivery: Delivery, error: GitHubUnavailable) -> None:
        """Let all wait where GitHub is away, and this one where only this one cannot be served."""
        self._unserved.add(delivery.guid)
        is_away = isinstance(error, (GitHubLimited, GitHubUnreachable))
        if is_away or len(self._unserved) >= _OUTAGE:
            self._park(error.retry_after)
            await self._deliveries.give_back(self._holder, await self._now(), delivery.guid)
            return
        now, received_at = await self._now(), delivery.received_at
        if received_at is not None and now - received_at > _PATIENCE:
            await self._stumbled(delivery, redact(f"{type(error).__name__}: {error}"))
            return
        tries = self._tries.get(delivery.guid, 0)
        self._tries[delivery.guid] = tries + 1
        await self._deliveries.give_back(self._holder, now + _pause(tries), delivery.guid)

    def _pause_of_lag(self, delivery: Delivery, now: datetime) -> timedelta | None:
        """Return how long to wait for GitHub to show what it told us; None once it had its time."""
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
        seconds = retry_after or _jittered(self._outages - 1, _LONGEST_OUTAGE_BACKOFF_SECONDS)
        self._parked_until = now + seconds

    async def _stumbled(self, delivery: Delivery, reason: str) -> None:
        attempts = delivery.attempts + 1
        pause = _pause(delivery.attempts)
        next_try = None if attempts >= _MOST_ATTEMPTS else await self._now() + pause
        await self._deliveries.stumbled(delivery.guid, self._holder, reason, next_try)


def _pause(failures: int) -> timedelta:
    return timedelta(seconds=_jittered(failures, _LONGEST_BACKOFF_SECONDS))


def _jittered(failures: int, longest: float) -> float:
    """Return a pause in seconds with full jitter: what failed together comes back apart."""
    # More doublings than these are longer than the longest anyway.
    most = min(longest, _FIRST_BACKOFF_SECONDS * 2 ** min(failures, 32))
    return random.uniform(0, most)  # noqa: S311  # not a secret
