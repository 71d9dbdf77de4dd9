"""``POST /webhooks/github``: GitHub tells that something happened."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.auth.refusals import Reason, Refused
from kmodbot.bot.errors import ApiError
from kmodbot.bot.events import (
    MAX_PAYLOAD,
    BadEvent,
    essence,
    is_signature,
    is_signed,
    parse_event,
)
from kmodbot.bot.http.body import check_size, read_body, require_json
from kmodbot.bot.logs import bind
from kmodbot.bot.store.database import UNUSABLE, reason_of
from kmodbot.bot.store.deliveries import Delivery

if TYPE_CHECKING:
    from kmodbot.bot.events import Event
    from kmodbot.bot.settings import Settings

log = logging.getLogger(__name__)

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_ACCEPTED, _IGNORED = b'{"message": "accepted"}', b'{"message": "ignored"}'


async def receive_delivery(request: web.Request) -> web.Response:
    """Store a delivery that GitHub signed and answer at once; the work happens later.

    Everything is checked in the order of its cost, and nothing that fails touches the store.
    GitHub gives up after ten seconds and does not try again by itself.
    https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
    """
    app = request.app
    settings = app[keys.SETTINGS]
    payload = await _signed_payload(request, settings)
    require_json(request)
    guid, kind = _header(request, "X-GitHub-Delivery"), _header(request, "X-GitHub-Event")
    event = _read(kind, payload, settings)
    if event is None:
        return _answer(_IGNORED)
    if await _store(app, Delivery(guid, kind, essence(event, settings))):
        app[keys.WORKERS].delivery_arrived()
    return _answer(_ACCEPTED)


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, status=202, headers=_JSON)


async def _signed_payload(request: web.Request, settings: Settings) -> bytes:
    """Read the body, but not before its size and the form of its signature are right."""
    check_size(request, MAX_PAYLOAD)
    signature = request.headers.get("X-Hub-Signature-256")
    if signature is None:
        raise _unsigned("the header X-Hub-Signature-256 is missing; set a webhook secret")
    if not is_signature(signature):
        raise _unsigned("the header X-Hub-Signature-256 must be sha256= and 64 hex digits")
    payload = await read_body(request, MAX_PAYLOAD)
    if not is_signed(payload, signature, settings.webhook_secrets):
        raise _unsigned("the signature does not match; compare the webhook secret on both sides")
    return payload


def _read(kind: str, payload: bytes, settings: Settings) -> Event | None:
    try:
        return parse_event(kind, payload, settings)
    except BadEvent as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_payload", str(error)) from error


async def _store(app: web.Application, delivery: Delivery) -> bool:
    try:
        return await app[keys.INTAKE].receive(delivery)
    except UNUSABLE as error:
        app[keys.WORKERS].delivery_refused()
        with bind(delivery=delivery.guid):
            log.error("delivery %s cannot be stored: %s", delivery.guid, reason_of(error))  # noqa: TRY400
        message = "the delivery cannot be stored now; deliver it again later"
        unavailable = HTTPStatus.SERVICE_UNAVAILABLE
        raise ApiError(unavailable, "store_unavailable", message, retry_after=60) from error


def _unsigned(message: str) -> Refused:
    status, who = HTTPStatus.UNAUTHORIZED, "a webhook delivery"
    return Refused(status, "invalid_signature", message, Reason.WEBHOOK, who)


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(name, "")
    if _WORD.fullmatch(value) is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_header", f"the header {name} must be there")
    return value
