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
# By its name, or by its number, where GitHub sends calls with a former name to.
REPOSITORY: Final = "/{place:repos/[^/]+/[^/]+|repositories/[0-9]+}"


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
            check_repository(request)
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


def check_repository(request: web.Request) -> None:
    """Let only calls about the repository through; those with a former name are sent on.

    https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    """
    world, place = world_of(request), request.match_info["place"]
    kind, _, asked = place.partition("/")
    if kind == "repositories":
        if asked != str(world.repository_id):
            raise not_found()
    elif asked.lower() in world.former_names:
        raise _moved(request, place)
    elif asked.lower() != world.addresses.full_name.lower():
        raise not_found()


def _moved(request: web.Request, place: str) -> Refusal:
    world = world_of(request)
    root, _, path = request.path_qs.partition(f"/{place}")
    url = f"{world.addresses.server}{root}/repositories/{world.repository_id}{path}"
    # Only what reads may be repeated as it likes; a write has to stay what it is.
    if request.method in {"GET", "HEAD"}:
        return Refusal(301, "Moved Permanently", headers={"Location": url})
    return Refusal(307, "Temporary Redirect", headers={"Location": url})


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
