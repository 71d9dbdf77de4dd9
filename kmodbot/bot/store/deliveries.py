"""Webhook deliveries in the store, from their arrival until their work is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from kmodbot.bot.store.tables import deliveries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kmodbot.bot.store.database import Database


class DeliveryState(StrEnum):
    """Where a delivery stands. ``failed`` waits for a redelivery."""

    RECEIVED = "received"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """One event that GitHub delivered: its id, its kind and its body as sent."""

    guid: str
    event: str
    payload: bytes
    attempts: int = 0


class Deliveries:
    """The deliveries that were accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(self, delivery: Delivery, now: datetime) -> bool:
        """Store a delivery; return whether there is work to do for it.

        GitHub repeats the id when it redelivers, so one that is done or under way is left as it is,
        and one that failed is taken up again.
        """
        async with self._database.writing() as connection:
            of_guid = deliveries.c.guid == delivery.guid
            state = await connection.scalar(select(deliveries.c.state).where(of_guid))
            if state is None:
                await connection.execute(
                    insert(deliveries).values(
                        guid=delivery.guid,
                        event=delivery.event,
                        payload=delivery.payload,
                        state=DeliveryState.RECEIVED,
                        received_at=now,
                    )
                )
            elif state == DeliveryState.FAILED:
                await connection.execute(
                    update(deliveries)
                    .where(of_guid)
                    .values(
                        state=DeliveryState.RECEIVED,
                        payload=delivery.payload,
                        attempts=0,
                        error=None,
                    )
                )
        return state in {None, DeliveryState.FAILED}

    async def waiting(self, limit: int = 10) -> Sequence[Delivery]:
        """Return deliveries whose work is not done yet: the least tried, then the oldest first."""
        table = deliveries.c
        statement = (
            select(table.guid, table.event, table.payload, table.attempts)
            .where(table.state == DeliveryState.RECEIVED)
            .order_by(table.attempts, table.received_at, table.guid)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [Delivery(*row) for row in await connection.execute(statement)]

    async def done(self, guid: str) -> None:
        """Record that the work of a delivery is done; its payload is not needed any more."""
        await self._set(guid, state=DeliveryState.DONE, error=None, payload=b"")

    async def forget(self, before: datetime) -> None:
        """Drop the deliveries received before a moment, unless their work is still to be done."""
        old = deliveries.c.received_at < before
        ended = deliveries.c.state != DeliveryState.RECEIVED
        async with self._database.writing() as connection:
            await connection.execute(delete(deliveries).where(old, ended))

    async def stumbled(self, delivery: Delivery, error: str, *, attempts_allowed: int) -> None:
        """Record that working on a delivery went wrong; after the last attempt it is ``failed``."""
        attempts = delivery.attempts + 1
        exhausted = attempts >= attempts_allowed
        state = DeliveryState.FAILED if exhausted else DeliveryState.RECEIVED
        await self._set(delivery.guid, state=state, attempts=attempts, error=error)

    async def _set(self, guid: str, **values: object) -> None:
        async with self._database.writing() as connection:
            statement = update(deliveries).where(deliveries.c.guid == guid)
            await connection.execute(statement.values(**values))
