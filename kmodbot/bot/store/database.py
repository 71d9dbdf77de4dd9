"""The connection to the database: transactions, and one that can be used at all."""

from __future__ import annotations

import asyncio
import logging
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from kmodbot.bot.store import migrating
from kmodbot.bot.store.clock import SharedClock
from kmodbot.bot.store.engines import POSTGRESQL_ERRORS, SECONDS_TO_CLOSE, open_engines
from kmodbot.bot.store.tables import UtcDateTime
from kmodbot.bot.store.urls import is_postgresql, shown
from kmodbot.bot.store.writer import SQLiteWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy import Connection, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

log = logging.getLogger(__name__)

T = TypeVar("T")

# What a database that cannot be reached, or that refuses, raises.
UNUSABLE = (OSError, SQLAlchemyError, *POSTGRESQL_ERRORS)


def reason_of(error: BaseException) -> str:
    """Return what the database itself says of an error.

    SQLAlchemy's own text quotes the statement and its values.
    """
    cause = getattr(error, "orig", None) or error
    return str(cause) or type(cause).__name__


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do, and holds no password."""


class StoreClosed(OSError):
    """The process is about to end; what it was doing is done again, or by another."""


class Database:
    """One database, SQLite or PostgreSQL, with transactions that only read or that may write.

    ``url`` has the forms that ``DATABASE_URL`` may have.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_shared = is_postgresql(url)
        self._opened: WeakSet[Any] = WeakSet()
        self._engine, self._reader = open_engines(url, self._opened)
        # One writer at a time in this process keeps writers from spinning on SQLite's own lock.
        self._turn: AbstractAsyncContextManager[Any] = (
            nullcontext() if self.is_shared else asyncio.Lock()
        )
        self._clock = SharedClock(self._server_time)
        self._writer = None if self.is_shared else SQLiteWriter(url)
        self._is_closed = False

    def __repr__(self) -> str:
        return f"Database({shown(self.url)!r})"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection to read from; each statement sees one state of the database."""
        self._refuse_when_closed()
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it is committed when the block ends well."""
        async with self._turn:
            self._refuse_when_closed()
            async with self._engine.begin() as connection:
                yield connection

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Carry ``work`` out in one transaction.

        It is the faster way for work that comes often: with SQLite all of it is done in one visit
        to another thread instead of one for each statement.
        """
        if self._writer is None:
            async with self.writing() as connection:
                return await connection.run_sync(work)
        async with self._turn:
            self._refuse_when_closed()
            return await self._writer.write(work)

    async def now(self) -> datetime:
        """Return the time by the clock that all processes of this database share.

        Those that share an SQLite file are on one machine. Others compare by the server's clock.
        """
        return await self._clock.now() if self.is_shared else datetime.now(UTC)

    async def prepare(self) -> None:
        """Make sure that the database can be used.

        An SQLite file belongs to one machine, so whoever opens it brings its schema up to date. A
        PostgreSQL database has one owner and many users: its schema changes when the operator says
        so, once, and not by whichever process of a rolling update comes first.

        Raises:
            StoreError: it cannot be reached, or its schema is older than this program.

        """
        if not self.is_shared:
            done = await self.migrate()
            if done.before != done.after:
                log.info("the schema of %s: %s", shown(self.url), done)
            return
        with self._explaining():
            async with self._engine.connect() as connection:
                missing = await connection.run_sync(migrating.is_behind)
        if missing:
            raise StoreError(
                f"the schema of {shown(self.url)} is older than this version: run kmodbot migrate"
            )

    async def migrate(self) -> migrating.Migrated:
        """Bring the schema to the newest version; safe when several processes start at once.

        Raises:
            StoreError: the database cannot be reached, or refuses.

        """
        with self._explaining():
            async with self.writing() as connection:
                return await connection.run_sync(migrating.upgrade)

    def explained(self, error: Exception) -> StoreError:
        """Return what an operator is to be told of an error."""
        reason = reason_of(error)
        if isinstance(error, FileNotFoundError) and self.is_shared:
            reason += " (a file or socket that the address names)"
        return StoreError(f"{shown(self.url)} cannot be used: {reason}")

    async def _server_time(self) -> datetime:
        async with self.reading() as connection:
            row = await connection.execute(select(func.clock_timestamp(type_=UtcDateTime)))
            moment: datetime = row.scalar_one()
        return moment

    async def close(self) -> None:
        """Close all connections, in time even when the database does not answer any more."""
        closing = asyncio.ensure_future(self._dispose())
        _, hanging = await asyncio.wait({closing}, timeout=SECONDS_TO_CLOSE)
        self._is_closed = True
        if not hanging:
            return closing.result()
        log.warning("%s does not answer; its connections are given up", shown(self.url))
        if self._writer is not None:
            self._writer.give_up()
        for connection in [*self._opened]:
            connection.terminate()
        # That ends the waiting for a server; what hangs otherwise is left to itself.
        await asyncio.wait({closing}, timeout=SECONDS_TO_CLOSE if self._opened else 0)
        closing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        closing.cancel()
        return None

    def _refuse_when_closed(self) -> None:
        # Who cleans up after being cut off would wait for what those waited for who were cut off.
        if self._is_closed:
            raise StoreClosed("the store is closed")

    async def _dispose(self) -> None:
        await self._engine.dispose()
        if self._writer is not None:
            await self._writer.close()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except UNUSABLE as error:
            raise self.explained(error) from None


def upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an insertion that can say what happens on conflict, which is no standard SQL."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
