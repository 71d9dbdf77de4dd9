"""``GET /audit``: who changed what, for operators."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.errors import ApiError, invalid_field

if TYPE_CHECKING:
    from kmodbot.bot.store.audit import AuditRow

_MOST_ROWS, _ROWS = 1000, 100


async def list_audit(request: web.Request) -> web.Response:
    """Answer with a page of the audit trail, the newest first; ``next`` begins the next page."""
    if not request[keys.CALLER].is_operator:
        message = "the audit trail is for operators; use the token of one"
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message)
    limit = _number(request, "limit", _MOST_ROWS) or _ROWS
    rows = await request.app[keys.AUDIT].last(limit, _number(request, "before", 2**63 - 1))
    after = rows[-1].id if len(rows) == limit else None
    return web.json_response({"rows": [_row(row) for row in rows], "next": after})


def _number(request: web.Request, name: str, most: int) -> int | None:
    value = request.query.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", value) or not 1 <= int(value) <= most:
        raise invalid_field(name, f"expected a whole number from 1 to {most}")
    return int(value)


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "caller": row.caller,
        "action": row.action,
        "subject": row.subject,
        "outcome": row.outcome,
        "detail": row.detail,
    }
