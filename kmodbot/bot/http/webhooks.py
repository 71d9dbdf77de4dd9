"""``POST /webhooks/github``: GitHub tells that something happened."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.errors import ApiError
from kmodbot.bot.events import MAX_PAYLOAD, BadEvent, is_signature, is_signed, parse_event
from kmodbot.bot.http.body import read_body, require_json
from kmodbot.bot.store.deliveries import Delivery


async def receive_delivery(request: web.Request) -> web.Response:
    """Store a delivery that GitHub signed and answer at once; the work happens later.

    GitHub gives up after ten seconds and does not try again by itself.
    https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
    """
    payload = await _signed_payload(request)
    require_json(request)
    delivery = Delivery(
        guid=_header(request, "X-GitHub-Delivery"),
        event=_header(request, "X-GitHub-Event"),
        payload=payload,
    )
    try:
        event = parse_event(delivery.event, payload, request.app[keys.SETTINGS])
    except BadEvent as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_payload", str(error)) from error
    if event is None:
        return web.json_response({"message": "ignored"}, status=HTTPStatus.ACCEPTED)
    if await request.app[keys.DELIVERIES].receive(delivery, datetime.now(UTC)):
        request.app[keys.WORKERS].delivery_arrived()
    return web.json_response({"message": "accepted"}, status=HTTPStatus.ACCEPTED)


async def _signed_payload(request: web.Request) -> bytes:
    """Read the body, but not before the signature looks like one."""
    signature = request.headers.get("X-Hub-Signature-256")
    if signature is None:
        raise _unsigned("the header X-Hub-Signature-256 is missing; set a webhook secret")
    if not is_signature(signature):
        raise _unsigned("the header X-Hub-Signature-256 must be sha256= and 64 hex digits")
    payload = await read_body(request, MAX_PAYLOAD)
    if not is_signed(payload, signature, request.app[keys.SETTINGS].webhook_secrets):
        raise _unsigned("the signature does not match; compare the webhook secret on both sides")
    return payload


def _unsigned(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "invalid_signature", message)


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(name, "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_header", f"the header {name} must be there")
    return value
