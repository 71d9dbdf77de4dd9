"""Kernels that discovery has seen, kept because repositories forget what they once listed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select, update

from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import discoveries
from kmodbot.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row

    from kmodbot.bot.store.database import Database


@dataclass(frozen=True)
class Discovery:
    """A kernel that a repository names.

    ``sources`` are the repositories, such as ``livepatch`` and ``core``; ``buildable`` says whether
    the headers package is listed too. ``handled`` is set once the kernel was proposed or built.
    """

    kernel: Kernel
    sources: tuple[str, ...]
    buildable: bool
    first_seen_at: datetime
    last_seen_at: datetime
    handled: bool = False


class Discoveries:
    """The history of discovery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, seen: Sequence[Discovery]) -> list[Discovery]:
        """Remember what was seen now; return those that were never seen before.

        Knowledge only grows: a source that did not name a kernel this time may not have been read.
        """
        known = {discovery.kernel: discovery for discovery in await self.all()}
        new = [discovery for discovery in seen if discovery.kernel not in known]
        async with self._database.writing() as connection:
            for discovery in new:
                row = upsert(connection.dialect.name, discoveries).values(**_row(discovery))
                await connection.execute(row.on_conflict_do_nothing())
            for discovery in seen:
                if (before := known.get(discovery.kernel)) is not None:
                    statement = update(discoveries).where(_of(discovery.kernel))
                    await connection.execute(statement.values(**_grown(before, discovery)))
        return new

    async def all(self) -> Sequence[Discovery]:
        """Return every kernel that was ever seen."""
        return await self._list()

    async def unhandled(self) -> Sequence[Discovery]:
        """Return the kernels that can be built and were neither proposed nor built."""
        return await self._list(discoveries.c.handled.is_(False), discoveries.c.buildable.is_(True))

    async def handled(self, kernel: Kernel) -> None:
        """Record that a kernel was proposed or built."""
        async with self._database.writing() as connection:
            statement = update(discoveries).where(_of(kernel)).values(handled=True)
            await connection.execute(statement)

    async def _list(self, *conditions: ColumnElement[bool]) -> Sequence[Discovery]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(discoveries).where(*conditions))
            return sorted(map(_discovery, rows), key=lambda discovery: discovery.kernel)


def _of(kernel: Kernel) -> ColumnElement[bool]:
    table = discoveries.c
    return and_(
        table.distribution == kernel.distribution,
        table.distro_version == kernel.distro_version,
        table.architecture == kernel.architecture,
        table.kernel_release == kernel.release,
    )


def _grown(before: Discovery, now: Discovery) -> dict[str, Any]:
    return {
        "sources": json.dumps(sorted({*before.sources, *now.sources})),
        "buildable": before.buildable or now.buildable,
        "last_seen_at": now.last_seen_at,
    }


def _row(discovery: Discovery) -> dict[str, Any]:
    kernel = discovery.kernel
    return {
        "distribution": kernel.distribution,
        "distro_version": kernel.distro_version,
        "architecture": kernel.architecture,
        "kernel_release": kernel.release,
        "sources": json.dumps(discovery.sources),
        "buildable": discovery.buildable,
        "first_seen_at": discovery.first_seen_at,
        "last_seen_at": discovery.last_seen_at,
        "handled": discovery.handled,
    }


def _discovery(row: Row[Any]) -> Discovery:
    kernel = Kernel(row.distribution, row.distro_version, row.architecture, row.kernel_release)
    return Discovery(
        kernel=kernel,
        sources=tuple(json.loads(row.sources)),
        buildable=row.buildable,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        handled=row.handled,
    )
