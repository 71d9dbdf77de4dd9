"""What a caller needs to make a call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from aiohttp import web

from kmodbot.sandbox.auth import ANONYMOUS, Actor
from kmodbot.sandbox.errors import Refusal, not_found
from kmodbot.sandbox.world import world_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACTOR: Final = web.RequestKey("ACTOR", Actor)
REPOSITORY: Final = "/repos/{owner}/{repository}"


def actor_of(request: web.Request) -> Actor:
    """Return who is calling; anonymous until the credentials were checked."""
    actor: Actor = request.get(ACTOR, ANONYMOUS)
    return actor


def needs(permission: str, level: str = "read") -> Callable[[Handler], Handler]:
    """Let only callers with `permission` at `level` on this repository through.

    Anybody may read a public repository, but a token that lacks the permission may not: so a call
    that would fail on a private repository fails here too. A private one hides from strangers.

    https://docs.github.com/rest/authentication/permissions-required-for-github-apps
    """

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def checked(request: web.Request) -> web.StreamResponse:
            _check_repository(request)
            if world_of(request).private and actor_of(request).kind is None:
                raise not_found()
            _check_permission(actor_of(request), permission, level)
            return await handler(request)

        return checked

    return wrap


def as_app(handler: Handler) -> Handler:
    """Let only the App itself through, which proves itself with a JWT."""

    @functools.wraps(handler)
    async def checked(request: web.Request) -> web.StreamResponse:
        if actor_of(request).kind != "app":
            raise Refusal(401, "A JSON web token could not be decoded")
        return await handler(request)

    return checked


def _check_repository(request: web.Request) -> None:
    asked = (request.match_info["owner"], request.match_info["repository"])
    if "/".join(asked).lower() != world_of(request).addresses.full_name.lower():
        raise not_found()


def _check_permission(actor: Actor, permission: str, level: str) -> None:
    if actor.kind is None and level == "read":
        return
    if actor.kind is None:
        raise Refusal(401, "Requires authentication")
    if not actor.may(permission, level):
        raise Refusal(
            403,
            "Resource not accessible by integration",
            headers={"X-Accepted-GitHub-Permissions": f"{permission}={level}"},
        )
