"""How many builds are where: what the store tells of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from kmodbot.bot.build import Phase
from kmodbot.bot.store.tables import builds

if TYPE_CHECKING:
    from datetime import datetime

    from kmodbot.bot.store.database import Database


@dataclass(frozen=True)
class BuildFigures:
    """How many builds are in each phase, and since when the oldest queued one waits."""

    phases: dict[Phase, int]
    oldest_queued: datetime | None


async def read_build_figures(database: Database) -> BuildFigures:
    """Count the builds."""
    statement = select(builds.c.phase, func.count(), func.min(builds.c.created_at))
    async with database.reading() as connection:
        rows = (await connection.execute(statement.group_by(builds.c.phase))).all()
    counts = {Phase(phase): count for phase, count, _ in rows}
    oldest = {Phase(phase): created_at for phase, _, created_at in rows}
    return BuildFigures({phase: counts.get(phase, 0) for phase in Phase}, oldest.get(Phase.QUEUED))
