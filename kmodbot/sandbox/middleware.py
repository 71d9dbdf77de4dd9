"""What happens around every request: recording, faults, credentials, limits, headers."""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from kmodbot.sandbox.access import ACTOR, actor_of
from kmodbot.sandbox.answers import LAG, answer, with_etag
from kmodbot.sandbox.errors import Refusal, not_found
from kmodbot.sandbox.limits import primary_limit, secondary_limit
from kmodbot.sandbox.records import Call
from kmodbot.sandbox.world import world_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.sandbox.faults import Fault

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Observer = Callable[[Call, str], Awaitable[None]]

API: Final = "/api/v3"
UPLOADS: Final = "/api/uploads"
CONTROL: Final = "/_sandbox/"
FREE: Final = "/rate_limit"

log = logging.getLogger(__name__)


class Watch:
    """Records every API request and tells the observers how far it is."""

    def __init__(self) -> None:
        self.observers: list[Observer] = []

    async def tell(self, call: Call, moment: str) -> None:
        """Wait until every observer has dealt with this moment of a call."""
        for observer in tuple(self.observers):
            await observer(call, moment)


WATCH = web.AppKey("WATCH", Watch)


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record the request, let the fault that waits for it happen, tell the observers."""
    if request.path.startswith(CONTROL):
        return await handler(request)
    world, watch = world_of(request), request.config_dict[WATCH]
    call = Call(request.method, short_path(request.path), request.query_string)
    if request.path.startswith("/api/"):
        # A request that arrived whole is carried out, even when its sender is gone by then.
        await request.read()
        world.calls.append(call)
        await watch.tell(call, "received")
    fault = world.faults.for_request(call.method, call.path)
    response = await _before(fault, request)
    if response is None:
        response = await handler(request)
        call.status, call.actor = response.status, actor_of(request).kind
        if request.path.startswith("/api/"):
            await watch.tell(call, "applied")
        response = _after(fault, request, response)
    call.status = None if _dropped(request) else response.status
    await _send(request, response)
    if request.path.startswith("/api/"):
        log.info("%s %s -> %s (%s)", call.method, call.path, call.status, call.actor or "anonymous")
        await watch.tell(call, "answered")
    return response


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check credentials and limits, and give every API answer GitHub's form and headers."""
    if not request.path.startswith("/api/"):
        return await handler(request)
    limits = world_of(request).limits
    try:
        request[ACTOR] = actor = world_of(request).keyring.identify(
            request.headers.get("Authorization", "")
        )
        limits.check(actor.kind)
        response = await _handled(request, handler)
        if isinstance(response, web.Response):
            response = with_etag(request, response, actor)
    except Refusal as refusal:
        response = refused(refusal)
    bucket = limits.bucket(actor_of(request).kind)
    if response.status != 304 and short_path(request.path) != FREE and bucket.remaining:
        bucket.used += 1
    response.headers.update(bucket.headers() | _common_headers())
    response.headers["Date"] = format_datetime(world_of(request).clock(), usegmt=True)
    return response


def short_path(path: str) -> str:
    """Return a path without the prefix of the API."""
    return path.removeprefix(API).removeprefix(UPLOADS)


def refused(refusal: Refusal) -> web.Response:
    """Return the answer that a refusal stands for."""
    return answer(refusal.body(), refusal.status, refusal.headers)


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        raise not_found() from error


async def _before(fault: Fault | None, request: web.Request) -> web.StreamResponse | None:
    """Do what a fault does before anything is applied; None lets the request through."""
    if fault is None or fault.kind == "lost_answer":
        return None
    if fault.kind == "lag":
        request[LAG] = timedelta(seconds=fault.seconds)
        return None
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        return None
    if fault.kind == "reset":
        return _drop(request)
    if fault.kind == "secondary_limit":
        return refused(secondary_limit(fault.seconds))
    if fault.kind == "primary_limit":
        headers = world_of(request).limits.bucket("installation").headers()
        return refused(primary_limit(headers | {"X-RateLimit-Remaining": "0"}))
    return refused(Refusal(fault.status, "Server Error"))


def _after(
    fault: Fault | None, request: web.Request, response: web.StreamResponse
) -> web.StreamResponse:
    if fault is None or fault.kind != "lost_answer":
        return response
    return _drop(request) if fault.drop else refused(Refusal(fault.status, "Server Error"))


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _dropped(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    # The caller may be gone, killed by the very test that observes the call.
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()


def _common_headers() -> dict[str, str]:
    return {
        "X-GitHub-Request-Id": uuid.uuid4().hex[:20].upper(),
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Api-Version-Selected": "2022-11-28",
    }
