"""``GET /discoveries``: the kernels that discovery has seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.build import kernel_fields

if TYPE_CHECKING:
    from kmodbot.bot.store.discoveries import Discovery


async def list_discoveries(request: web.Request) -> web.Response:
    """Answer with every kernel that was ever seen, and with what the last look brought."""
    seen = await request.app[keys.DISCOVERIES].all()
    last = await request.app[keys.WATCH].last()
    body = {
        "last_look": None if last is None else json.loads(last.to_json()),
        "kernels": [_kernel(discovery) for discovery in seen],
    }
    return web.json_response(body)


def _kernel(discovery: Discovery) -> dict[str, Any]:
    return kernel_fields(discovery.kernel) | {
        "sources": list(discovery.sources),
        "devel": "present" if discovery.buildable else "missing",
        "first_seen_at": discovery.first_seen_at.isoformat(),
        "last_seen_at": discovery.last_seen_at.isoformat(),
        "handled": discovery.handled,
    }
