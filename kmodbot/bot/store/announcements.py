"""Changes of builds, and limits of GitHub, told from process to process through PostgreSQL.

https://www.postgresql.org/docs/15/sql-notify.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from kmodbot.bot.store.database import UNUSABLE, reason_of
from kmodbot.bot.store.engines import connect_postgresql
from kmodbot.bot.store.urls import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.changes import Changes
    from kmodbot.bot.store.database import Database
    from kmodbot.bot.store.limits import SharedLimits

log = logging.getLogger(__name__)

_BUILDS, _LIMITS = "kmodbot_builds", "kmodbot_limits"
_TELL = (
    "SELECT pg_notify(channel, word) FROM unnest($1::text[], $2::text[]) AS news (channel, word)"
)
_SECONDS_BEFORE_RECONNECTING = 2
# A connection that died without a word is noticed by asking for an answer.
_SECONDS_BETWEEN_SIGNS_OF_LIFE = 30


@contextlib.asynccontextmanager
async def shared(changes: Changes, limits: SharedLimits, database: Database) -> AsyncIterator[None]:
    """Share news with the other processes on the same database, as long as the block runs.

    SQLite has no such means; there, who waits sees what others did when it looks at the store.
    """
    if not database.is_shared:
        yield
        return
    task = asyncio.create_task(_Announcements(changes, limits, database.url).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Announcements:
    """One connection that tells and listens, opened again whenever it breaks."""

    def __init__(self, changes: Changes, limits: SharedLimits, url: str) -> None:
        self._changes = changes
        self._limits = limits
        self._url = url
        self._untold: set[tuple[str, str]] = set()
        self._news = asyncio.Event()
        self._is_connected = True
        changes.tell_others(lambda build_id: self._tell(_BUILDS, build_id))
        limits.tell_others(lambda: self._tell(_LIMITS, ""))

    def _tell(self, channel: str, word: str) -> None:
        self._untold.add((channel, word))
        self._news.set()

    async def run(self) -> None:
        while True:
            try:
                await self._connect_and_talk()
            except UNUSABLE as error:
                self._report(error)
            await asyncio.sleep(_SECONDS_BEFORE_RECONNECTING)

    def _report(self, error: Exception) -> None:
        # Said once for each outage.
        if self._is_connected:
            log.warning("%s: no news of other processes: %s", shown(self._url), reason_of(error))
        self._is_connected = False

    async def _connect_and_talk(self) -> None:
        connection = await connect_postgresql(self._url)
        try:
            connection.add_termination_listener(lambda _: self._news.set())
            for channel in (_BUILDS, _LIMITS):
                await connection.add_listener(channel, self._heard)
            self._is_connected = True
            # What was told while nobody listened here is not known.
            self._changes.wake_all()
            self._limits.doubt()
            while not connection.is_closed():
                await self._talk(connection)
        finally:
            connection.terminate()

    async def _talk(self, connection: Any) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS_BETWEEN_SIGNS_OF_LIFE):
                await self._news.wait()
        self._news.clear()
        telling, self._untold = self._untold, set()
        try:
            channels, words = [each[0] for each in telling], [each[1] for each in telling]
            await connection.execute(_TELL, channels, words)
        except BaseException:
            self._untold |= telling
            raise

    def _heard(self, connection: Any, sender: int, channel: str, word: object) -> None:
        if sender == connection.get_server_pid():
            return
        if channel == _LIMITS:
            self._limits.doubt()
        else:
            self._changes.heard(str(word))
