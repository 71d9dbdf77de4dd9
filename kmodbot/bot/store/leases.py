"""Leases: which process does the work that only one may do, and when it is due again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import leases

if TYPE_CHECKING:
    from datetime import datetime

    from kmodbot.bot.store.database import Database


class Leases:
    """Named leases, held for a limited time, so that a process that died blocks nobody for long."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the time by the clock that all processes share."""
        return await self._database.now()

    async def take(self, name: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take a lease that nobody holds; False while one is held, even by this holder."""
        async with self._database.writing() as connection:
            values = {"holder": holder, "expires_at": until}
            statement = upsert(connection.dialect.name, leases).values(name=name, **values)
            when_free = statement.on_conflict_do_update(
                index_elements=["name"], set_=values, where=leases.c.expires_at <= now
            )
            return (await connection.execute(when_free)).rowcount == 1

    async def conclude(self, name: str, holder: str, until: datetime, result: str) -> None:
        """Record what the work brought, and that it is not due before ``until``."""
        mine = update(leases).where(leases.c.name == name, leases.c.holder == holder)
        async with self._database.writing() as connection:
            await connection.execute(mine.values(expires_at=until, result=result))

    async def holder(self, name: str) -> str | None:
        """Return who took the lease last."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(leases.c.holder).where(leases.c.name == name))

    async def result(self, name: str) -> str | None:
        """Return what the work brought when it was last done, by whichever process."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(leases.c.result).where(leases.c.name == name))
