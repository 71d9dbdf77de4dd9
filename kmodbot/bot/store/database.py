"""The connection to the database: transactions and migrations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # What was accepted must survive a power cut.
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 30000",
)


class Database:
    """One database, with transactions that either only read or may write."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url)
        self._writer = self._engine.execution_options(kmodbot_writes=True)
        # One writer at a time in this process keeps writers from spinning on SQLite's own lock.
        self._write_lock = asyncio.Lock()
        event.listen(self._engine.sync_engine, "connect", _prepare_connection)
        event.listen(self._engine.sync_engine, "begin", _begin)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that sees one state of the database and changes nothing."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it is committed when the block ends well."""
        async with self._write_lock, self._writer.begin() as connection:
            yield connection

    async def migrate(self) -> None:
        """Bring the schema to the newest version; safe when several processes start at once."""
        async with self.writing() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


def _prepare_connection(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself, so that BEGIN below decides their kind.
    # https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#pysqlite-serializable
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote in
    # between, whatever the busy timeout says; taking the write lock at the start waits instead.
    # https://www.sqlite.org/lang_transaction.html
    writes = connection.get_execution_options().get("kmodbot_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
