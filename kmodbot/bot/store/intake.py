"""Group commit: deliveries that arrive at the same time are stored in one transaction.

A commit waits for the disk, whatever it holds. Those that arrive while one is under way share the
next, so the disk is waited for as often as it can be and not as often as GitHub delivers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kmodbot.bot.store.deliveries import Deliveries, Delivery

# Keeps a single transaction short.
_MOST_AT_ONCE = 500


class Intake:
    """The door of the store for deliveries."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        # Called when work was stored that nobody waits for any more.
        self.stored_late: Callable[[], None] = _nothing
        self._arrived: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def receive(self, delivery: Delivery) -> bool:
        """Store a delivery durably; return whether there is work to do for it.

        Raises what the store raises, and then nothing was stored.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._arrived.append((delivery, stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await stored

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing is being stored, but not for longer than some seconds."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=seconds)

    async def _write_all(self) -> None:
        while self._arrived:
            batch = self._arrived[:_MOST_AT_ONCE]
            del self._arrived[:_MOST_AT_ONCE]
            await self._write(batch)

    async def _write(self, batch: Sequence[tuple[Delivery, asyncio.Future[bool]]]) -> None:
        deliveries = [delivery for delivery, _ in batch]
        try:
            now = await self._deliveries.now()
            taken = await self._deliveries.receive_all(deliveries, now)
        except Exception as error:
            outcomes: list[bool | Exception] = [error] * len(batch)
        else:
            outcomes = [_take(taken, delivery.guid) for delivery in deliveries]
        for (_, stored), outcome in zip(batch, outcomes, strict=True):
            # Who hung up, or ran out of time, does not wait any more.
            if stored.done():
                if outcome is True:
                    self.stored_late()
                continue
            if isinstance(outcome, Exception):
                stored.set_exception(outcome)
            else:
                stored.set_result(outcome)


def _nothing() -> None:
    """Do nothing."""


def _take(taken: set[str], guid: str) -> bool:
    """Tell whether a delivery is work; of two with one id only the first is."""
    found = guid in taken
    taken.discard(guid)
    return found
