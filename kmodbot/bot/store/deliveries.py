"""Webhook deliveries in the store, from their arrival until their work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, select, text, update

from kmodbot.bot.delivery import Backlog, Delivery, DeliveryRecord, DeliveryState
from kmodbot.bot.store import statements
from kmodbot.bot.store.tables import DEAD, WAITING, deliveries
from kmodbot.bot.store.texts import storable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from kmodbot.bot.store.database import Database

__all__ = ["Backlog", "Deliveries", "Delivery", "DeliveryRecord", "DeliveryState"]


class Deliveries:
    """The deliveries that were accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the time by the clock that all processes share."""
        return await self._database.now()

    async def receive_all(self, arrived: Collection[Delivery], now: datetime) -> set[str]:
        """Store deliveries in one transaction; return the ids of those that there is work for.

        GitHub repeats the id when it redelivers, so one that is done or under way is left as it is,
        and one that went wrong is taken up again. ``now`` tells these from those that were there.
        """
        values = {"arrived": statements.packed(arrived), "now": now}
        guids = {each.guid for each in arrived}

        def store(connection: Connection) -> set[str]:
            arrival = statements.arrival(connection.dialect.name)
            if connection.execute(arrival, values).rowcount == len(guids):
                # Nearly always; each row that is read from SQLite would stop the main thread.
                return guids
            return set(connection.scalars(statements.arrived(), {"guids": [*guids], "now": now}))

        return await self._database.write(store)

    async def lease(
        self,
        holder: str,
        now: datetime,
        until: datetime,
        limit: int,
        done: Collection[str] = (),
    ) -> Sequence[Delivery]:
        """Take up to ``limit`` deliveries that are due; each is taken by one process at a time.

        One whose holder did not renew its lease in time is taken again. Those that have been due
        for longest come first.
        Those in ``done`` are recorded as done in the same transaction, which saves one.
        """
        values = {"holder": holder, "now": now, "until": until, "most": limit}

        def lease(connection: Connection) -> list[Delivery]:
            if done:
                connection.execute(statements.done(), {"guids": list(done)})
            return [Delivery(*row) for row in connection.execute(statements.lease(), values)]

        return await self._database.write(lease)

    async def renew(self, holder: str, until: datetime) -> None:
        """Keep what a process works on from being taken by another."""
        await self._set(_held_by(holder), next_try_at=until)

    async def give_back(self, holder: str, now: datetime, guid: str | None = None) -> None:
        """Let others take what a process does not go on with; that costs no attempt."""
        which = _held_by(holder) if guid is None else and_(_held_by(holder), _is(guid))
        await self._set(which, state=DeliveryState.RECEIVED, leased_by=None, next_try_at=now)

    async def stumbled(self, guid: str, holder: str, error: str, next_try: datetime | None) -> None:
        """Record that working on a delivery went wrong; without a next try it is ``dead``.

        Nothing changes when the lease was lost meanwhile.
        """
        values: dict[str, object] = {"state": DeliveryState.DEAD}
        if next_try is not None:
            values = {"state": DeliveryState.RECEIVED, "next_try_at": next_try}
        await self._set(
            and_(_held_by(holder), _is(guid)),
            attempts=deliveries.c.attempts + 1,
            leased_by=None,
            error=storable(error),
            **values,
        )

    async def retry(self, guid: str | None, now: datetime) -> list[str]:
        """Take a dead delivery up again, or all of them; return the ids of those taken up."""
        which = deliveries.c.state == DeliveryState.DEAD
        revive = (
            update(deliveries)
            .where(which if guid is None else and_(which, _is(guid)))
            .values(state=DeliveryState.RECEIVED, attempts=0, next_try_at=now)
            .returning(deliveries.c.guid)
        )
        async with self._database.writing() as connection:
            return sorted(await connection.scalars(revive))

    async def forget(self, before: datetime, state: DeliveryState = DeliveryState.DONE) -> None:
        """Drop the deliveries of a final state that were received before a moment."""
        old = and_(deliveries.c.state == state, deliveries.c.received_at < before)
        async with self._database.writing() as connection:
            await connection.execute(delete(deliveries).where(old))

    async def next_due(self) -> datetime | None:
        """Return when the next delivery may be taken up; None while none waits."""
        earliest = select(func.min(deliveries.c.next_try_at)).where(text(WAITING))
        async with self._database.reading() as connection:
            due: datetime | None = await connection.scalar(earliest)
        return due

    async def backlog(self) -> Backlog:
        """Return how much work waits."""
        table = deliveries.c
        waiting = select(func.count(), func.min(table.received_at)).where(text(WAITING))
        dead = select(func.count()).select_from(deliveries).where(text(DEAD))
        async with self._database.reading() as connection:
            count, oldest = (await connection.execute(waiting)).one()
            return Backlog(count, oldest, (await connection.scalar(dead)) or 0)

    async def states(self, guids: Collection[str]) -> dict[str, DeliveryState]:
        """Return where deliveries stand; those that are not known are left out."""
        known = select(deliveries.c.guid, deliveries.c.state).where(deliveries.c.guid.in_(guids))
        async with self._database.reading() as connection:
            rows = await connection.execute(known)
            return {guid: DeliveryState(state) for guid, state in rows}

    async def list(self, state: DeliveryState | None, limit: int) -> list[DeliveryRecord]:
        """Return the newest deliveries, of one state or of all."""
        table = deliveries.c
        newest = (
            select(
                *(table.guid, table.event, table.state, table.received_at, table.next_try_at),
                *(table.attempts, table.error),
            )
            .order_by(table.received_at.desc(), table.guid)
            .limit(limit)
        )
        if state is not None:
            newest = newest.where(table.state == state)
        async with self._database.reading() as connection:
            rows = await connection.execute(newest)
            return [DeliveryRecord(*row[:2], DeliveryState(row.state), *row[3:]) for row in rows]

    async def _set(self, which: ColumnElement[bool], **values: object) -> None:
        async with self._database.writing() as connection:
            await connection.execute(update(deliveries).where(which).values(**values))


def _is(guid: str) -> ColumnElement[bool]:
    return deliveries.c.guid == guid


def _held_by(holder: str) -> ColumnElement[bool]:
    return and_(deliveries.c.leased_by == holder, deliveries.c.state == DeliveryState.PROCESSING)
