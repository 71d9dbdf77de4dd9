"""Changes of builds, told from process to process through PostgreSQL.

https://www.postgresql.org/docs/15/sql-notify.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from kmodbot.bot.store.database import UNUSABLE
from kmodbot.bot.store.engines import connect_postgresql
from kmodbot.bot.store.urls import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.changes import Changes
    from kmodbot.bot.store.database import Database

log = logging.getLogger(__name__)

_CHANNEL = "kmodbot_builds"
_TELL = "SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id"
_SECONDS_BEFORE_RECONNECTING = 2
# A connection that died without a word is noticed by asking for an answer.
_SECONDS_BETWEEN_SIGNS_OF_LIFE = 30


@contextlib.asynccontextmanager
async def shared(changes: Changes, database: Database) -> AsyncIterator[None]:
    """Share changes with the other processes on the same database, as long as the block runs.

    SQLite has no such means; there, who waits sees what others did when it looks at the store.
    """
    if not database.is_shared:
        yield
        return
    task = asyncio.create_task(_Announcements(changes, database.url).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Announcements:
    """One connection that tells and listens, opened again whenever it breaks."""

    def __init__(self, changes: Changes, url: str) -> None:
        self._changes = changes
        self._url = url
        self._untold: set[str] = set()
        self._news = asyncio.Event()
        self._is_connected = True
        changes.tell_others(self._tell)

    def _tell(self, build_id: str) -> None:
        self._untold.add(build_id)
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
            reason = str(error) or type(error).__name__
            log.warning("%s: no news of other processes: %s", shown(self._url), reason)
        self._is_connected = False

    async def _connect_and_talk(self) -> None:
        connection = await connect_postgresql(self._url)
        try:
            connection.add_termination_listener(lambda _: self._news.set())
            await connection.add_listener(_CHANNEL, self._heard)
            self._is_connected = True
            # What was told while nobody listened here is not known.
            self._changes.wake_all()
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
            await connection.execute(_TELL, _CHANNEL, list(telling))
        except BaseException:
            self._untold |= telling
            raise

    def _heard(self, connection: Any, sender: int, _channel: str, build_id: object) -> None:
        if sender != connection.get_server_pid():
            self._changes.heard(str(build_id))
