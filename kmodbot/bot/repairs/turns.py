"""Whose turn it is: of any number of processes one at a time does a piece of work."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.attempts import attempt, report
from kmodbot.bot.store.database import UNUSABLE
from kmodbot.bot.store.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.store.leases import Leases

# A shorter lease would be lost whenever a machine or a disk has much to do.
_SHORTEST_LEASE_SECONDS = 1.0
# How often a lease is renewed while it lasts, and how much of it may pass until it is given up: the
# rest is for this process to end what it does before another one begins.
_RENEWALS = 4
_PATIENCE = 0.75
# Who waits for another process to end looks again after a pause up to this long.
_LONGEST_PAUSE_SECONDS = 0.4


@dataclass(frozen=True)
class _Lease:
    """What this process holds. ``began`` is by the clock of the loop, before it was taken."""

    work: str
    holder: str
    taken_at: datetime
    began: float


class Turns:
    """The turns of one process.

    A turn lasts as long as its work, for its lease is renewed meanwhile. What a process that died
    has held is free again after ``lease_seconds``.
    """

    def __init__(self, leases: Leases, lease_seconds: float) -> None:
        self._leases = leases
        self._seconds = max(_SHORTEST_LEASE_SECONDS, lease_seconds)
        self._holders: dict[str, str] = {}

    @asynccontextmanager
    async def turn(self, work: str, every: float) -> AsyncIterator[bool]:
        """Take the turn that comes once in ``every`` seconds; False when it is not to be had.

        Work that is broken off is due again at once, work that fails when its interval is over.

        Raises:
            LeaseLost: another process may have begun, so the block was ended.

        """
        lease = await self._take(work)
        if lease is None:
            yield False
            return
        due = lease.taken_at + timedelta(seconds=every)
        try:
            async with self._renewed(lease):
                yield True
        except (asyncio.CancelledError, LeaseLost):
            due = lease.taken_at
            raise
        finally:
            await self._give_back(lease, due)

    @asynccontextmanager
    async def alone(self, work: str) -> AsyncIterator[None]:
        """Wait until no other process does ``work``; none begins with it while the block runs.

        Raises:
            LeaseLost: another process may have begun, so the block was ended.

        """
        lease = await self._take_when_free(work)
        try:
            async with self._renewed(lease):
                yield
        finally:
            await self._give_back(lease, lease.taken_at)

    async def hasten(self, work: str) -> None:
        """Let the next turn of a piece of work come now."""
        await self._leases.hasten(work, await self._leases.now())

    async def now(self) -> datetime:
        """Return the time by the clock that all processes share."""
        return await self._leases.now()

    async def result(self, work: str) -> str | None:
        """Return what was recorded of the work, by whichever process."""
        return await self._leases.result(work)

    async def record(self, work: str, result: str) -> None:
        """Record, within a turn, what the work has brought."""
        await self._leases.record(work, self._holders[work], result)

    async def looked_until(self, work: str) -> datetime | None:
        """Return up to when the work has been done, by whichever process."""
        result = await self.result(work)
        return None if result is None else datetime.fromisoformat(result)

    async def done_until(self, work: str, moment: datetime) -> None:
        """Record, within a turn, up to when the work has been done."""
        await self.record(work, moment.isoformat())

    async def _take(self, work: str) -> _Lease | None:
        began = asyncio.get_running_loop().time()
        now, holder = await self._leases.now(), uuid.uuid4().hex
        if not await self._leases.take(work, holder, now, self._end(now)):
            return None
        self._holders[work] = holder
        return _Lease(work, holder, now, began)

    async def _take_when_free(self, work: str) -> _Lease:
        while (lease := await self._take(work)) is None:  # noqa: ASYNC110  # others are elsewhere
            await asyncio.sleep(random.random() * _LONGEST_PAUSE_SECONDS)  # noqa: S311  # no secret
        return lease

    def _end(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._seconds)

    @asynccontextmanager
    async def _renewed(self, lease: _Lease) -> AsyncIterator[None]:
        """Renew a lease while the block runs; end the block when that fails for too long."""
        try:
            async with asyncio.timeout_at(lease.began + self._seconds * _PATIENCE) as limit:
                renewing = asyncio.create_task(self._renew(lease, limit))
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError:
            if not limit.expired():
                raise
            raise LeaseLost(f"the lease of {lease.work} could not be kept") from None

    async def _renew(self, lease: _Lease, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._seconds / _RENEWALS)
            asked_at = loop.time()
            try:
                until = self._end(await self._leases.now())
                is_kept = await self._leases.renew(lease.work, lease.holder, until)
            except UNUSABLE as error:
                report(f"lease of {lease.work}", error)
                continue
            if not is_kept:
                limit.reschedule(loop.time())
                return
            limit.reschedule(asked_at + self._seconds * _PATIENCE)

    async def _give_back(self, lease: _Lease, due: datetime) -> None:
        # One that cannot be given back now runs out by itself.
        await attempt(
            f"lease of {lease.work}", self._leases.give_back, lease.work, lease.holder, due
        )
