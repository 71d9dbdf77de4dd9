"""The audit trail: who changed what, when, and what came of it. Rows are never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from kmodbot.bot.store.tables import audit
from kmodbot.bot.store.texts import storable

if TYPE_CHECKING:
    from kmodbot.bot.build import Target
    from kmodbot.bot.store.database import Database


@dataclass(frozen=True)
class AuditRow:
    """One thing that somebody did; a higher ``id`` is later."""

    id: int
    at: datetime
    caller: str
    action: str
    subject: str
    outcome: str
    detail: str


def subject_of(target: Target) -> str:
    """Name what a request for a build is about."""
    return f"{target.tag}/{target.package}"


def new_row(
    caller: str, action: str, subject: str, outcome: str, detail: str = ""
) -> dict[str, Any]:
    """Return the row of what happens now; over-long words are cut to what a column holds."""
    return {
        "at": datetime.now(UTC),
        "caller": storable(caller, 255),
        "action": storable(action, 64),
        "subject": storable(subject, 512),
        "outcome": storable(outcome, 64),
        "detail": storable(detail),
    }


class Audit:
    """The trail that state-changing requests leave.

    What changes the store adds its row in the transaction of the change (see ``Builds.reserve``).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, caller: str, action: str, subject: str, outcome: str, detail: str = ""
    ) -> None:
        """Add what changed nothing but is worth knowing, such as a refusal."""
        row = new_row(caller, action, subject, outcome, detail)
        async with self._database.writing() as connection:
            await connection.execute(insert(audit).values(row))

    async def last(self, limit: int, before_id: int | None = None) -> list[AuditRow]:
        """Return the newest rows first; with ``before_id`` those older than that one."""
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before_id is not None:
            statement = statement.where(audit.c.id < before_id)
        async with self._database.reading() as connection:
            return [AuditRow(*row) for row in await connection.execute(statement)]

    async def forget(self, before: datetime) -> None:
        """Drop what is older than the time for which the trail is kept."""
        async with self._database.writing() as connection:
            await connection.execute(delete(audit).where(audit.c.at < before))
