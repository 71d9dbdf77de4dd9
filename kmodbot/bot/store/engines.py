"""How each kind of database is connected to."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import aiosqlite
import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from kmodbot.bot.store.urls import is_postgresql, libpq_url

if TYPE_CHECKING:
    from weakref import WeakSet

    from sqlalchemy import Connection, Engine

# What a server raises that refuses, and the driver when it cannot go on.
POSTGRESQL_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError)
# How long a database has for its good-bye. What was committed is safe without it.
SECONDS_TO_CLOSE = 2.0
_CONNECT_SECONDS = 10
_ROWS_AT_ONCE = 64
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


def open_engines(url: str, opened: WeakSet[Any]) -> tuple[AsyncEngine, AsyncEngine]:
    """Return an engine for transactions and one for statements that only read, of one pool.

    Connections to a server are added to those ``opened``, for who cannot wait for them to close.
    """
    if is_postgresql(url):
        engine = _open_postgresql(url, opened)
        return engine, engine.execution_options(isolation_level="AUTOCOMMIT")
    engine = _open_sqlite(url)
    return engine, engine.execution_options(kmodbot_reads=True)


def _open_postgresql(url: str, opened: WeakSet[Any]) -> AsyncEngine:
    async def connect() -> Any:
        connection = await connect_postgresql(url)
        opened.add(connection)
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
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
    engine = create_async_engine(
        location,
        connect_args={"async_creator_fn": _connect_sqlite},
        pool_size=5,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
    )
    _make_transactions_immediate(engine.sync_engine)
    return engine


class _Connection(aiosqlite.Connection):
    """A connection that is given up when its thread hangs, with a lock or a disk."""

    async def close(self) -> None:
        closing = asyncio.ensure_future(super().close())
        _, hanging = await asyncio.wait({closing}, timeout=SECONDS_TO_CLOSE)
        if not hanging:
            return closing.result()
        closing.cancel()
        return None


def _connect_sqlite(database: str, **options: Any) -> _Connection:
    connection = _Connection(lambda: sqlite3.connect(database, **options), _ROWS_AT_ONCE)
    # What hangs must not keep the process from ending.
    # Before aiosqlite 0.22 it is a thread itself.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection


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
