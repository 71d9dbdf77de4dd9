"""The repository that a database belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import repository
from kmodbot.bot.store.texts import storable

if TYPE_CHECKING:
    from kmodbot.bot.store.database import Database

_THE_ROW = 1


@dataclass(frozen=True)
class Owner:
    """A repository of one GitHub. ``full_name`` is what it was called when it was last seen."""

    api_url: str
    id: int
    full_name: str


class Owners:
    """Knows whose database this is; of several bots that start at once one owner is recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self) -> Owner | None:
        """Return the owner; None before the first contact with GitHub."""
        table = repository.c
        async with self._database.reading() as connection:
            rows = await connection.execute(select(table.api_url, table.id, table.full_name))
            row = rows.one_or_none()
        return None if row is None else Owner(*row)

    async def claim(self, owner: Owner) -> Owner:
        """Make ``owner`` the one of a database that has none; return the one it has then."""
        row = {
            "api_url": owner.api_url,
            "id": owner.id,
            "full_name": storable(owner.full_name, 255),
        }
        async with self._database.writing() as connection:
            statement = upsert(connection.dialect.name, repository).values(slot=_THE_ROW, **row)
            await connection.execute(statement.on_conflict_do_nothing(index_elements=["slot"]))
        return await self.get() or owner

    async def renamed(self, owner: Owner) -> None:
        """Record what the owner is called now."""
        name = storable(owner.full_name, 255)
        mine = update(repository).where(repository.c.id == owner.id)
        async with self._database.writing() as connection:
            await connection.execute(mine.values(full_name=name))
