"""Leases: which process does the work that only one may do, and when it is due again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import leases

if TYPE_CHECKING:
    from datetime import datetime

    from kmodbot.bot.store.database import Database

# The holder of a lease that was given back.
NOBODY = ""


class LeaseLost(Exception):
    """Another process may have taken over what this one was doing, so it has stopped."""


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

    async def renew(self, name: str, holder: str, until: datetime) -> bool:
        """Hold a lease for longer; False when another has taken it, because it had run out."""
        return await self._change(name, holder, expires_at=until)

    async def give_back(self, name: str, holder: str, due: datetime) -> None:
        """Hold a lease no longer; nobody can take it before ``due``, unless that is hastened."""
        await self._change(name, holder, holder=NOBODY, expires_at=due)

    async def hasten(self, name: str, due: datetime) -> None:
        """Let a lease that nobody holds be taken from ``due`` on."""
        later = (leases.c.name == name, leases.c.holder == NOBODY, leases.c.expires_at > due)
        async with self._database.writing() as connection:
            await connection.execute(update(leases).where(*later).values(expires_at=due))

    async def record(self, name: str, holder: str, result: str) -> None:
        """Record what the work has brought so far, unless another has taken the lease."""
        await self._change(name, holder, result=result)

    async def result(self, name: str) -> str | None:
        """Return what the work brought when it was last done, by whichever process."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(leases.c.result).where(leases.c.name == name))

    async def _change(self, name: str, held_by: str, **values: object) -> bool:
        mine = update(leases).where(leases.c.name == name, leases.c.holder == held_by)
        async with self._database.writing() as connection:
            return (await connection.execute(mine.values(**values))).rowcount == 1
