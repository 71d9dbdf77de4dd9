"""Reading request bodies within limits."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from kmodbot.bot.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What all bodies together may hold in memory; what is usual for a request is not counted, so that
# nobody who sends large ones keeps the others out.
_MOST_BUFFERED = 64 << 20
_USUAL = 128 << 10
_SECONDS_FOR_A_BODY = 30.0
_JSON = "application/json"


class ByteBudget:
    """How much more of large bodies may be held in memory, over all requests."""

    def __init__(self) -> None:
        self._left = _MOST_BUFFERED

    @contextmanager
    def reservation(self) -> Iterator[Callable[[int], None]]:
        """Yield what takes so many bytes out of the budget until the block ends.

        It raises :class:`ApiError`, 503, when they are not left.
        """
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._left:
                message = "too many large bodies arrive at once; send this one again"
                busy = HTTPStatus.SERVICE_UNAVAILABLE
                raise ApiError(busy, "too_many_bodies", message, retry_after=60)
            self._left -= count
            taken += count

        try:
            yield take
        finally:
            self._left += taken


BUDGET = web.AppKey("body_budget", ByteBudget)


def check_size(request: web.Request, limit: int) -> None:
    """Refuse a body that announces more than ``limit`` bytes.

    Raises:
        ApiError: 413.

    """
    if (request.content_length or 0) > limit:
        _too_large(limit)


async def read_body(request: web.Request, limit: int) -> bytes:
    """Read the body, at most ``limit`` bytes.

    Raises:
        ApiError: 413, as soon as it is known that the body is larger; 415 when it is compressed;
            408 when it takes too long; 503 while others fill the memory that bodies may use.

    """
    check_size(request, limit)
    _require_plain(request)
    try:
        if request.content.is_eof():
            # A small body has come together with its headers, and is as large as they say.
            return _within(request.content.read_nowait(), limit)
        async with asyncio.timeout(_SECONDS_FOR_A_BODY):
            return await _read_pieces(request, limit)
    except TimeoutError as error:
        message = f"the body did not arrive within {_SECONDS_FOR_A_BODY:.0f} s"
        raise ApiError(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", message) from error
    except RequestPayloadError as error:
        message = "the body cannot be read; it does not have the form that its headers say"
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_body", message) from error


async def _read_pieces(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    with request.app[BUDGET].reservation() as take:
        async for chunk in request.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > limit:
                _too_large(limit)
            if len(body) > _USUAL:
                take(len(chunk))
        return bytes(body)


def _require_plain(request: web.Request) -> None:
    # Neither nodes nor GitHub compress. What unpacks to something huge need not be feared then,
    # nor the server's waiting without end for the rest of a stream that was cut.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        message = "send the body as it is, without Content-Encoding"
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        _too_large(limit)
    return body


def require_json(request: web.Request) -> None:
    """Refuse a body that does not say it is JSON.

    Raises:
        ApiError: 415.

    """
    # Nearly everybody writes it like this, and taking the header apart takes longer.
    if request.headers.get("Content-Type") == _JSON:
        return
    if request.content_type != _JSON:
        message = "send JSON and say so: Content-Type: application/json"
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8, with every name once.

    Raises:
        ApiError: 400 with code ``invalid_json``.

    """
    try:
        data = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _invalid_json("the body is not valid JSON") from error
    if not isinstance(data, dict):
        raise _invalid_json("the body must be a JSON object")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _invalid_json(f"the body has {repeated[0]!a} more than once")
    return dict(pairs)


def _invalid_json(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "invalid_json", message)


def _too_large(limit: int) -> NoReturn:
    message = f"the body is larger than {limit} bytes"
    raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)
