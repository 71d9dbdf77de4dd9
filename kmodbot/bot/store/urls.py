"""The addresses that ``DATABASE_URL`` may hold."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DEFAULT = "sqlite+aiosqlite:///kmodbot.db"
# Heroku and others write the first form, which libpq understands too.
_POSTGRESQL = ("postgres", "postgresql", "postgresql+asyncpg")
_EXAMPLES = "sqlite:///kmodbot.db or postgresql://user:password@host/database"


def parse_database_url(value: str) -> str:
    """Validate an address and return it in one form for each kind of database.

    Raises:
        ValueError: it cannot be used; the message does not hold it, as it may hold a password.

    """
    return _parse_postgresql(value) if is_postgresql(value) else _parse_sqlite(value)


def is_postgresql(url: str) -> bool:
    """Tell whether an address is one of PostgreSQL."""
    return url.partition("://")[0] in _POSTGRESQL


def shown(url: str) -> str:
    """Return what of an address may be shown: no user, no password, no options."""
    if not is_postgresql(url):
        return str(make_url(url).database)
    parts = urlsplit(libpq_url(url))
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


def libpq_url(url: str) -> str:
    """Return an address of PostgreSQL as libpq writes it.

    https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
    """
    return "postgresql://" + url.partition("://")[2]


def _parse_postgresql(value: str) -> str:
    try:
        names_database = bool(urlsplit(libpq_url(value)).path.strip("/"))
    except ValueError:
        names_database = False
    if not names_database:
        raise ValueError(
            "expected a PostgreSQL address with the name of a database, such as "
            "postgresql://user:password@host/kmodbot"
        ) from None
    return f"postgresql+asyncpg://{value.partition('://')[2]}"


def _parse_sqlite(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError(f"expected a database address, such as {_EXAMPLES}") from None
    if url.get_backend_name() != "sqlite":
        raise ValueError(f"expected {_EXAMPLES}; other databases are not supported")
    if url.database in {None, "", ":memory:"}:
        raise ValueError("expected a file, such as sqlite:///kmodbot.db: memory forgets")
    directory = Path(url.database).resolve().parent
    if not (directory.is_dir() and os.access(directory, os.W_OK)):
        raise ValueError(f"the directory {directory} does not exist or cannot be written to")
    return url.set(drivername="sqlite+aiosqlite").render_as_string(hide_password=False)
