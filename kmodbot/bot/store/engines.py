"""How each kind of database is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from kmodbot.bot.store.urls import is_postgresql, libpq_url

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# What a server raises that refuses, and the driver when it cannot go on.
POSTGRESQL_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError)
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60
# How long a request may wait for a connection while all are busy.
_POOL_SECONDS = 60
_PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_mode = WAL",
    # What was accepted must survive a power cut.
    "PRAGMA synchronous = FULL",
)


async def connect_postgresql(url: str) -> Any:
    """Open one connection, with all the options that libpq's addresses may have."""
    return await asyncpg.connect(
        libpq_url(url),
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS,
        server_settings={"application_name": "kmodbot"},
    )


def open_engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """Return an engine for transactions and one for statements that only read, of one pool."""
    if is_postgresql(url):
        engine = _open_postgresql(url)
        return engine, engine.execution_options(isolation_level="AUTOCOMMIT")
    engine = _open_sqlite(url)
    return engine, engine.execution_options(kmodbot_reads=True)


def _open_postgresql(url: str) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect_postgresql(url),
        # The server may have been restarted since.
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=5,
        pool_timeout=_POOL_SECONDS,
    )


def open_sqlite_writer(url: str) -> Engine:
    """Return an engine with one connection, for a thread that does nothing but write."""
    engine = create_engine(
        make_url(url).set(drivername="sqlite+pysqlite"),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
    )
    _make_transactions_immediate(engine)
    return engine


def _open_sqlite(url: str) -> AsyncEngine:
    location = make_url(url).set(drivername="sqlite+aiosqlite")
    # Each connection is a thread.
    engine = create_async_engine(location, pool_size=5, max_overflow=0, pool_timeout=_POOL_SECONDS)
    _make_transactions_immediate(engine.sync_engine)
    return engine


def _make_transactions_immediate(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)


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
    if not connection.get_execution_options().get("kmodbot_reads", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
