"""Bringing the schema of a database up to date, one process at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Migrated:
    """What became of a schema: its revision before, None of an empty database, and after.

    ``is_ahead`` tells that a newer program has migrated it, and nothing was done.
    """

    before: str | None
    after: str
    is_ahead: bool = False

    def __str__(self) -> str:
        if self.is_ahead:
            return f"nothing was done: revision {self.after} is of a newer version than this one"
        if self.before == self.after:
            return f"nothing was to do: it has revision {self.after} already"
        if self.before is None:
            return f"made, with revision {self.after}"
        return f"brought from revision {self.before} to {self.after}"


def upgrade(connection: Connection, revision: str = "head") -> Migrated:
    """Migrate in the transaction of ``connection``; others who migrate wait for its end."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = _current(connection)
    if before is not None and _is_ahead(connection):
        return Migrated(before, before, is_ahead=True)
    command.upgrade(alembic_config(connection), revision)
    return Migrated(before, str(_current(connection)))


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
