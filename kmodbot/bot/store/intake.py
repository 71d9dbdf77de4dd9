"""Group commit: deliveries that arrive at the same time are stored in one transaction.

A commit waits for the disk, whatever it holds. Those that arrive while one is under way share the
next, so the disk is waited for as often as it can be and not as often as GitHub delivers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmodbot.bot.store.deliveries import Deliveries, Delivery

# Keeps a single transaction short.
_MOST_AT_ONCE = 500
# GitHub gives up after ten seconds. What is stored later than this is no loss, for it is worked off
# like the others.
_LONGEST_SECONDS = 9.0
# Who comes later than this waits with others, so that nobody is told to go much too early.
_SECONDS_OPEN = 2.0


class Intake:
    """The door of the store for deliveries."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        # Called when work was stored that nobody waits for any more.
        self.stored_late: Callable[[], None] = _nothing
        self._arrived: deque[_Batch] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def receive(self, delivery: Delivery) -> bool:
        """Store a delivery durably; return whether there is work to do for it.

        Raises what the store raises, and then nothing was stored.

        Raises:
            TimeoutError: it takes longer than GitHub waits; it may be stored later.

        """
        if not self._arrived or not self._arrived[-1].is_open:
            self._arrived.append(_Batch())
        stored = self._arrived[-1].add(delivery)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await stored

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing is being stored, but not for longer than some seconds."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=seconds)

    async def _write_all(self) -> None:
        while self._arrived:
            batch = self._arrived.popleft()
            try:
                now = await self._deliveries.now()
                taken = await self._deliveries.receive_all(batch.deliveries, now)
            except Exception as error:
                batch.fail(error)
            else:
                if batch.stored(taken):
                    self.stored_late()


class _Batch:
    """Deliveries that share a transaction, and those who wait for it.

    One time limit is for all of them, because one for each would take longer than all the rest.
    """

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._waiting: list[asyncio.Future[bool]] = []
        self._loop = asyncio.get_running_loop()
        self._open_until = self._loop.time() + _SECONDS_OPEN
        self._limit = self._loop.call_later(_LONGEST_SECONDS, self._tell, TimeoutError())

    @property
    def is_open(self) -> bool:
        is_full = len(self.deliveries) >= _MOST_AT_ONCE
        return not is_full and self._loop.time() < self._open_until

    def add(self, delivery: Delivery) -> asyncio.Future[bool]:
        stored: asyncio.Future[bool] = self._loop.create_future()
        self.deliveries.append(delivery)
        self._waiting.append(stored)
        return stored

    def stored(self, taken: set[str]) -> bool:
        """Tell each whether its delivery is work; return whether nobody heard that of some."""
        self._limit.cancel()
        unheard = False
        for delivery, waiting in zip(self.deliveries, self._waiting, strict=True):
            is_work = delivery.guid in taken
            # Of two with one id only the first is.
            taken.discard(delivery.guid)
            # Who hung up, or ran out of time, does not wait any more.
            if not waiting.done():
                waiting.set_result(is_work)
            elif is_work:
                unheard = True
        return unheard

    def fail(self, error: Exception) -> None:
        self._limit.cancel()
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error)


def _nothing() -> None:
    """Do nothing."""
