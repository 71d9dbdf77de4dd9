"""``GET /healthz``: is the process alive?"""

from __future__ import annotations

from aiohttp import web


async def healthz(_request: web.Request) -> web.Response:
    """Answer 200 while the event loop turns, whatever the state of the store or of GitHub."""
    return web.json_response({"status": "ok"})
