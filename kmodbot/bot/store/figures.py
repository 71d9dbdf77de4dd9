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
    """How many builds are in each phase, and since when the oldest queued one waits.

    ``refused_proposals`` counts those whose kernel GitHub did not let us propose so far.
    """

    phases: dict[Phase, int]
    oldest_queued: datetime | None
    refused_proposals: int


async def read_build_figures(database: Database) -> BuildFigures:
    """Count the builds."""
    statement = select(builds.c.phase, func.count(), func.min(builds.c.created_at))
    refused = (
        select(func.count())
        .select_from(builds)
        .where(builds.c.phase == Phase.DONE, builds.c.proposed.is_(False))
        .where(builds.c.proposal_attempts > 0)
    )
    async with database.reading() as connection:
        rows = (await connection.execute(statement.group_by(builds.c.phase))).all()
        refused_proposals = (await connection.scalar(refused)) or 0
    counts = {Phase(phase): count for phase, count, _ in rows}
    oldest = {Phase(phase): created_at for phase, _, created_at in rows}
    phases = {phase: counts.get(phase, 0) for phase in Phase}
    return BuildFigures(phases, oldest.get(Phase.QUEUED), refused_proposals)
