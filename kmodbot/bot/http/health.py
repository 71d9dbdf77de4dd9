"""``GET /healthz``: is the process alive? ``GET /readyz``: can it do its work?"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from kmodbot.bot import keys


async def healthz(_request: web.Request) -> web.Response:
    """Answer 200 while the event loop turns, whatever the state of the store or of GitHub."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 while all parts are well, else 503 with those that are not."""
    checks = await request.app[keys.READINESS].checks()
    parts = {check.part: check.problem or "ok" for check in checks}
    problems = [f"{check.part}: {check.problem}" for check in checks if check.problem]
    if not problems:
        return web.json_response({"status": "ready", "checks": parts})
    error = {"code": "not_ready", "message": "; ".join(problems)}
    body = {"error": error, "status": "not ready", "checks": parts}
    return web.json_response(body, status=HTTPStatus.SERVICE_UNAVAILABLE)
