"""What holds for every call: the form of errors, and who may ask."""

from __future__ import annotations

import hmac
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

    from kmodbot.bot.secrets import Secret

log = logging.getLogger(__name__)

# GitHub signs its deliveries instead; the health check tells nothing.
_OPEN_PATHS = frozenset({"/webhooks/github", "/healthz"})


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the form ``{"error": {"code", "message", "field"?}}``."""
    try:
        return await handler(request)
    except ApiError as error:
        return _answer(error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        status = HTTPStatus(error.status)
        answer = _answer(ApiError(status, status.name.lower(), _sentence(status, request)))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return _answer(ApiError(status, "internal", "something went wrong here; the log says what"))


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only callers with an API token pass, where tokens are configured."""
    tokens = request.app[keys.SETTINGS].api_tokens
    if tokens and request.path not in _OPEN_PATHS:
        _check(request.headers.get("Authorization", ""), tokens)
    return await handler(request)


def _check(header: str, tokens: Iterable[Secret]) -> None:
    scheme, _, presented = header.partition(" ")
    if scheme.lower() != "bearer" or not presented:
        message = "send an API token: Authorization: Bearer TOKEN"
        raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthenticated", message)
    given = presented.strip().encode(errors="surrogateescape")
    # Every token is compared, so that the time taken tells nothing about which one is near.
    matches = [hmac.compare_digest(given, token.reveal().encode()) for token in tokens]
    if not any(matches):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "the bot does not know this API token")


def _answer(error: ApiError) -> web.Response:
    answer = web.json_response(error.body(), status=error.status)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    if error.code == "unauthenticated":
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _sentence(status: HTTPStatus, request: web.Request) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return "there is no such resource; see docs/api.md"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible here; the Allow header says what is"
    return status.description or status.phrase
