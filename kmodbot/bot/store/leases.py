"""Leases: which process does the work that only one may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from kmodbot.bot.store.tables import leases

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from kmodbot.bot.store.database import Database


class Leases:
    """Named leases, held for a limited time, so that a process that died blocks nobody for long."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, now: datetime, duration: timedelta) -> bool:
        """Take or prolong a lease; False while another holder has it."""
        async with self._database.writing() as connection:
            of_name = leases.c.name == name
            row = (await connection.execute(select(leases).where(of_name))).one_or_none()
            if row is not None and row.holder != holder and row.expires_at > now:
                return False
            values = {"holder": holder, "expires_at": now + duration}
            if row is None:
                await connection.execute(insert(leases).values(name=name, **values))
            else:
                await connection.execute(update(leases).where(of_name).values(**values))
        return True
