"""``kmodbot migrate``: bring the schema of the database to this version.

Run it before the first start on PostgreSQL and with each new version, once, while the processes of
the version before still work: a migration keeps them working. Processes that run it at the same
time wait for each other. An SQLite file is migrated by ``kmodbot serve`` itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kmodbot.bot.commands.with_store import with_store
from kmodbot.bot.store.urls import shown

if TYPE_CHECKING:
    import argparse

    from kmodbot.bot.store.database import Database


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: DATABASE_URL names the database."""


def run(_arguments: argparse.Namespace) -> int:
    """Migrate; return the exit status."""
    return with_store(_migrate)


async def _migrate(database: Database) -> int:
    done = await database.migrate()
    sys.stdout.write(f"the schema of {shown(database.url)}: {done}\n")
    return 0
