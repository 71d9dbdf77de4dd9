"""Bringing the schema of a database up to date, one process at a time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

# Any number that nobody else takes an advisory lock on in the same database.
_LOCK = 0x6B6D6F64


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate in the transaction of ``connection``; others who migrate wait for its end."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if not _is_ahead(connection):
        command.upgrade(alembic_config(connection), revision)


def is_behind(connection: Connection) -> bool:
    """Tell whether the schema lacks a migration that this program has."""
    return not _is_ahead(connection) and _current(connection) != _scripts().get_current_head()


def _is_ahead(connection: Connection) -> bool:
    """Tell whether a newer program migrated; a migration keeps the one before it working."""
    current = _current(connection)
    if current is None or current in {script.revision for script in _scripts().walk_revisions()}:
        return False
    log.warning("the schema has revision %s, of a newer version than this one", current)
    return True


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())
