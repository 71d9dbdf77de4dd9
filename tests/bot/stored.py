"""Webhook deliveries and leases in the store, as the tests put them there and look at them.

The bot takes deliveries in by groups, and concludes them together with the next lease.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from kmodbot.bot.store.deliveries import Deliveries, Delivery
from kmodbot.bot.store.tables import WAITING
from kmodbot.bot.store.tables import deliveries as table
from kmodbot.bot.store.tables import leases as lease_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.bot.store.leases import Leases


async def receive(deliveries: Deliveries, delivery: Delivery, now: datetime) -> bool:
    """Store one delivery; return whether there is work to do for it."""
    return delivery.guid in await deliveries.receive_all([delivery], now)


async def done(deliveries: Deliveries, guid: str) -> None:
    """Record that the work of a delivery is done."""
    now = datetime.now(UTC)
    await deliveries.lease("nobody", now, now, 0, done=[guid])


async def waiting(deliveries: Deliveries, limit: int = 10) -> Sequence[Delivery]:
    """Return deliveries whose work is not done yet: the least tried, then the oldest first."""
    statement = (
        select(table.c.guid, table.c.event, table.c.payload, table.c.attempts)
        .where(text(WAITING))
        .order_by(table.c.attempts, table.c.received_at, table.c.guid)
        .limit(limit)
    )
    async with deliveries._database.reading() as connection:
        return [Delivery(*row) for row in await connection.execute(statement)]


async def holder(leases: Leases, name: str) -> str | None:
    """Return who took the lease last, ``NOBODY`` when it was given back."""
    statement = select(lease_table.c.holder).where(lease_table.c.name == name)
    async with leases._database.reading() as connection:
        return await connection.scalar(statement)
