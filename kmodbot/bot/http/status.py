"""``GET /status/{id}``: how far is a build?"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.build import kernel_fields
from kmodbot.bot.errors import ApiError, invalid_field
from kmodbot.kernels import InvalidInput, parse_build_id

if TYPE_CHECKING:
    from kmodbot.bot.build import Build

MAX_WAIT = 60.0


async def build_status(request: web.Request) -> web.Response:
    """Answer with the state of a build; with ``wait``, as soon as it is final or time is up."""
    seconds = _wait_seconds(request.query.get("wait"))
    build = await request.app[keys.WAITING].get(_build_id(request), seconds)
    if build is None:
        raise _not_found()
    package = build.package
    url = await request.app[keys.ADDRESSES].of(build.target, package) if package else None
    return web.json_response(_described(build, url))


def _build_id(request: web.Request) -> str:
    try:
        return parse_build_id(request.match_info["build_id"])
    except InvalidInput:
        # What no build can be called is not asked of the store, which may not even take it.
        raise _not_found() from None


def _not_found() -> ApiError:
    message = "there is no build of this id; ask for one with POST /build"
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)


def _wait_seconds(value: str | None) -> float:
    if value is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", value) or float(value) > MAX_WAIT:
        raise invalid_field("wait", f"expected a number of seconds from 0 to {MAX_WAIT:.0f}")
    return float(value)


def _described(build: Build, url: str | None) -> dict[str, Any]:
    package = build.package
    return {
        "status": build.phase.status,
        "phase": build.phase.value,
        "kernel": kernel_fields(build.target.kernel),
        "driver_version": build.target.driver.version,
        "run_url": build.run_url,
        "package": package.name if package else None,
        "url": url,
        "sha256": package.sha256 if package else None,
        "error": build.error,
    }
