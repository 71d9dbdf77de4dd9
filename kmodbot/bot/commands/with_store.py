"""What the commands that work on the store have in common."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from kmodbot.bot.store import urls
from kmodbot.bot.store.database import UNUSABLE, Database, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_BAD_INPUT = 2


def with_store(
    work: Callable[[Database], Awaitable[int]], environ: Mapping[str, str] = os.environ
) -> int:
    """Do some work on the store that DATABASE_URL names; return the exit status.

    It is 2 when there is no such store, or it cannot be used.
    """
    try:
        url = urls.parse_database_url(environ.get("DATABASE_URL") or urls.DEFAULT)
        return asyncio.run(_open_for(work, url))
    except (ValueError, StoreError) as error:
        sys.stderr.write(f"kmodbot: DATABASE_URL: {error}\n")
        return _BAD_INPUT


async def _open_for(work: Callable[[Database], Awaitable[int]], url: str) -> int:
    database = Database(url)
    try:
        return await work(database)
    except UNUSABLE as error:
        raise database.explained(error) from None
    finally:
        await database.close()
