"""The repository itself, and the rate limit.

https://docs.github.com/rest/repos/repos#get-a-repository
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.sandbox.access import REPOSITORY, actor_of, needs
from kmodbot.sandbox.answers import answer
from kmodbot.sandbox.render.repository import full
from kmodbot.sandbox.world import world_of

if TYPE_CHECKING:
    from aiohttp import web


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of the repository."""
    router.add_get(f"{root}{REPOSITORY}", get_repository)
    router.add_get(f"{root}/rate_limit", get_rate_limit)


@needs("metadata")
async def get_repository(request: web.Request) -> web.Response:
    """Show the repository."""
    return answer(full(world_of(request)))


async def get_rate_limit(request: web.Request) -> web.Response:
    """Show how many requests the caller has left; asking is free."""
    numbers = world_of(request).limits.bucket(actor_of(request).kind).numbers()
    return answer({"resources": {"core": numbers, "search": numbers}, "rate": numbers})
