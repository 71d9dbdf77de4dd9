"""What holds for every call: it is counted, it is known who asks, and errors have one form."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.auth.refusals import Refused
from kmodbot.bot.errors import ApiError
from kmodbot.bot.store.database import UNUSABLE, reason_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

# GitHub signs its deliveries instead; probes have no token, and the description is no secret.
_OPEN_PATHS = frozenset({"/webhooks/github", "/healthz", "/readyz", "/openapi.json"})
_CLIENT_GONE = 499


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count every request, let only known callers pass, and give every error one form.

    The three are one function because each layer around a handler costs time.
    """
    app, path = request.app, request.path
    started, status = time.perf_counter(), _CLIENT_GONE
    try:
        if path not in _OPEN_PATHS:
            header = request.headers.get("Authorization")
            request[keys.CALLER] = await app[keys.DOOR].caller(header)
        response = await handler(request)
        status = response.status
    except Exception as error:
        response = _refusal(request, error)
        status = response.status
    finally:
        resource = request.match_info.route.resource
        # Callers must not be able to make labels up.
        route = "unknown" if resource is None else resource.canonical
        seconds = time.perf_counter() - started
        app[keys.METRICS].http.answered(route, request.method, status, seconds)
    return response


def _refusal(request: web.Request, error: Exception) -> web.Response:
    """Return the answer ``{"error": {"code", "message", "field"?}}``."""
    if isinstance(error, Refused):
        resource = request.match_info.route.resource
        route = None if resource is None else resource.canonical
        request.app[keys.REFUSALS].note(error, request.remote, route)
    if isinstance(error, ApiError):
        return _answer(error)
    if isinstance(error, web.HTTPException):
        return _of_aiohttp(request, error)
    if isinstance(error, UNUSABLE):
        log.error("%s %s: the store fails: %s", request.method, request.path, reason_of(error))
        status, message = HTTPStatus.SERVICE_UNAVAILABLE, "the store cannot be used now; ask again"
        return _answer(ApiError(status, "store_unavailable", message, retry_after=10))
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _answer(ApiError(status, "internal", "something went wrong here; the log says what"))


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    response = _answer(ApiError(status, status.name.lower(), _sentence(status, request)))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _answer(error: ApiError) -> web.Response:
    return web.json_response(error.body(), status=error.status, headers=error.headers())


def _sentence(status: HTTPStatus, request: web.Request) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return "there is no such resource; see docs/api.md"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible here; the Allow header says what is"
    return status.description or status.phrase
