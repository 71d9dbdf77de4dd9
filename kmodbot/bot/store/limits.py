"""GitHub's limits, kept by all processes of one database as if they were one.

GitHub counts what an App does, not which of its processes does it. They take turns to write, with a
pause after each write, and all are silent when one is told to be. When the store is away, each
process keeps the limits by itself, as it would without others.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select, update

from kmodbot.bot.store.database import UNUSABLE, reason_of, upsert
from kmodbot.bot.store.leases import NOBODY
from kmodbot.bot.store.tables import leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from kmodbot.bot.store.database import Database

    _Rows = Mapping[str, Any]

log = logging.getLogger(__name__)

# Two leases: the turn to write, and a silence, which nobody holds and which ends by itself.
_WRITES, _SILENCE = "github writes", "github silence"
# A process that is killed while it writes keeps the others from writing for so long.
_LONGEST_WRITE_SECONDS = 10.0
# Who waits for a write of another process, whose end is not known, looks again after such a pause.
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.25
# GitHub's longest limit is by the hour. What outlives a restart must not last for ever by mistake.
_LONGEST_SILENCE_SECONDS = 3600.0
# How old what is known of a silence may be where nobody announces one.
_SECONDS_BETWEEN_LOOKS = 5.0
# A store that hangs keeps nobody from asking GitHub for longer than this, and not each time.
_STORE_SECONDS = 2.0


class SharedLimits:
    """What this process tells the others, and is told by them. No method raises an error."""

    def __init__(self, database: Database, claim_seconds: float) -> None:
        self._database = database
        self._holder = uuid.uuid4().hex
        self._lease = timedelta(seconds=min(claim_seconds, _LONGEST_WRITE_SECONDS))
        # By the clock of this machine: until when all are silent, and when that was looked up.
        self._silent_until = 0.0
        self._unsaid = 0
        self._looked_at = 0.0
        self._is_in_doubt = True
        self._looking = asyncio.Lock()
        self._is_there = True
        self._others: list[Callable[[], None]] = []

    def tell_others(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever this process has been told to be silent."""
        self._others.append(tell)

    def doubt(self) -> None:
        """Look the silence up before the next call: another process may have been told of one."""
        self._is_in_doubt = True

    async def others_write(self) -> bool:
        """Tell whether a write would have to wait for one of another process."""
        wait = 0.0
        async with self._forgiving():
            wait = self._wait(await self._look(), await self._database.now())
        return wait > 0

    async def take_turn(self) -> float:
        """Take the turn to write; return 0, or in how many seconds to ask again."""
        wait = 0.0
        async with self._forgiving():
            rows, now = await self._look(), await self._database.now()
            wait = self._wait(rows, now)
            if wait == 0 and not await self._database.write(lambda c: self._take(c, now)):
                wait = _until_another_look()
        return wait

    async def end_turn(self, pause: float) -> None:
        """Let others write after a pause in seconds."""
        async with self._forgiving():
            free_at = await self._database.now() + timedelta(seconds=pause)
            mine = update(leases).where(leases.c.name == _WRITES, leases.c.holder == self._holder)
            given_back = mine.values(holder=NOBODY, expires_at=free_at)
            await self._database.write(lambda connection: connection.execute(given_back))

    async def silence(self) -> tuple[float, int]:
        """Return for how many seconds all are to be silent, and how many silences grew to that.

        It costs a look at the store now and then, not each time.
        """
        # Those that ask at the same moment share the look.
        async with self._looking:
            age = time.monotonic() - self._looked_at
            if self._is_in_doubt or age > _SECONDS_BETWEEN_LOOKS:
                # While the store is away, what was known before counts, and it is not asked anew
                # for every call.
                self._is_in_doubt, self._looked_at = False, time.monotonic()
                async with self._forgiving():
                    await self._look()
        return self._silent_until - time.monotonic(), self._unsaid

    async def be_silent(self, seconds: float, unsaid: int) -> None:
        """Have all processes be silent; ``unsaid`` counts the silences in a row without a time."""
        async with self._forgiving():
            shared = min(seconds, _LONGEST_SILENCE_SECONDS)
            until = await self._database.now() + timedelta(seconds=shared)
            await self._database.write(lambda c: _silence(c, until, unsaid))
        for tell in self._others:
            tell()

    async def _look(self) -> _Rows:
        table = leases.c
        columns = (table.name, table.holder, table.expires_at, table.result)
        ours = select(*columns).where(table.name.in_([_WRITES, _SILENCE]))
        async with self._database.reading() as connection:
            rows = {row.name: row for row in await connection.execute(ours)}
        now, looked_at = await self._database.now(), time.monotonic()
        if _SILENCE in rows:
            left = (rows[_SILENCE].expires_at - now).total_seconds()
            self._silent_until, self._unsaid = looked_at + left, int(rows[_SILENCE].result or 0)
        self._looked_at = looked_at
        return rows

    def _wait(self, rows: _Rows, now: datetime) -> float:
        turn = rows.get(_WRITES)
        if turn is None or turn.holder == self._holder or turn.expires_at <= now:
            return 0.0
        if turn.holder != NOBODY:
            return _until_another_look()
        return float((turn.expires_at - now).total_seconds())

    def _take(self, connection: Connection, now: datetime) -> bool:
        values = {"holder": self._holder, "expires_at": now + self._lease}
        statement = upsert(connection.dialect.name, leases).values(name=_WRITES, **values)
        # A turn whose answer got lost is taken again by the same process.
        is_free = or_(leases.c.expires_at <= now, leases.c.holder == self._holder)
        when_free = statement.on_conflict_do_update(
            index_elements=["name"], set_=values, where=is_free
        )
        return connection.execute(when_free).rowcount == 1

    @asynccontextmanager
    async def _forgiving(self) -> AsyncIterator[None]:
        """Go on without the others while the store cannot be used."""
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                yield
        except UNUSABLE as error:
            if self._is_there:
                log.warning(
                    "GitHub's limits are not shared with other processes: %s", reason_of(error)
                )
            self._is_there = False
        else:
            self._is_there = True


def _silence(connection: Connection, until: datetime, unsaid: int) -> None:
    values = {"holder": NOBODY, "expires_at": until, "result": str(unsaid)}
    statement = upsert(connection.dialect.name, leases).values(name=_SILENCE, **values)
    longer = statement.on_conflict_do_update(
        index_elements=["name"], set_=values, where=leases.c.expires_at < until
    )
    connection.execute(longer)


def _until_another_look() -> float:
    return random.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)  # noqa: S311  # no secret
