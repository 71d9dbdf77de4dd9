"""What the commands that work on the store have in common."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.bot.store import urls
from kmodbot.bot.store.database import UNUSABLE, Database, StoreError
from kmodbot.bot.store.urls import is_postgresql, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_BAD_INPUT = 2


def with_store(
    work: Callable[[Database], Awaitable[int]],
    environ: Mapping[str, str] = os.environ,
    *,
    must_exist: bool = False,
) -> int:
    """Do some work on the store that DATABASE_URL names; return the exit status.

    It is 2 when it cannot be used, or ``must_exist`` and there is none: a new, empty one would say
    that all is well.
    """
    try:
        url = urls.parse_database_url(environ.get("DATABASE_URL") or urls.DEFAULT)
        if must_exist:
            _require_file(url)
        return asyncio.run(_open_for(work, url))
    except (ValueError, StoreError) as error:
        sys.stderr.write(f"kmodbot: DATABASE_URL: {error}\n")
        return _BAD_INPUT


def _require_file(url: str) -> None:
    if not is_postgresql(url) and not Path(shown(url)).exists():
        raise ValueError(f"there is no database at {shown(url)}; set it as the bot has it")


async def _open_for(work: Callable[[Database], Awaitable[int]], url: str) -> int:
    database = Database(url)
    try:
        return await work(database)
    except UNUSABLE as error:
        raise database.explained(error) from None
    finally:
        await database.close()
