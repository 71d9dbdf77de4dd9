"""``POST /build``: a node asks for a driver."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.build import Build, Phase, Target
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.errors import ApiError, github_unavailable, without_github
from kmodbot.bot.github.errors import GitHubDenied, GitHubRefused, GitHubUnavailable
from kmodbot.bot.http.body import read_body, require_json
from kmodbot.bot.http.wanted import READER
from kmodbot.bot.requests import Answer

if TYPE_CHECKING:
    from kmodbot.bot.auth.caller import Caller
    from kmodbot.bot.dispatch import Outcome
    from kmodbot.bot.downloads import Addresses
    from kmodbot.bot.requests import Wanted

log = logging.getLogger(__name__)

MAX_BODY = 16 * 1024
_JSON = {"Content-Type": "application/json; charset=utf-8"}


async def request_build(request: web.Request) -> web.Response:
    """Answer with the package, or with the build that makes it; start the build if need be."""
    require_json(request)
    wanted = request.app[READER].read(await read_body(request, MAX_BODY))
    answer = await _ask(request.app, wanted, request[keys.CALLER])
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


async def _ask(app: web.Application, wanted: Wanted, caller: Caller) -> Answer:
    if wanted.force and not caller.is_operator:
        message = "force is for operators; ask without it, or with the token of an operator"
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message, field="force")
    try:
        return await app[keys.REQUESTS].ask(wanted, caller)
    except GitHubUnavailable as error:
        level = logging.ERROR if isinstance(error, GitHubDenied) else logging.WARNING
        log.log(level, "it is not known whether %s exists: %s", wanted.target.package, error)
        message = f"it is not known whether the package exists: {without_github(error)}"
        raise github_unavailable(message, error.retry_after or 30) from error
    except GitHubRefused as error:
        log.error("GitHub refuses to show the releases: %s", error)  # noqa: TRY400
        raise github_unavailable(without_github(error), 60) from error
    except DispatchFailed as error:
        raise _dispatch_failed(error) from error


class Rendering:
    """Makes answers out of outcomes."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def __call__(self, target: Target, outcome: Outcome) -> Answer:
        """Return the answer to a request for ``target``."""
        if outcome.package is not None:
            body = {
                "message": "package exists",
                "status": "done",
                "package": outcome.package.name,
                "url": await self._addresses.of(target, outcome.package),
                "sha256": outcome.package.sha256,
            }
            return _answer(HTTPStatus.OK, body)
        build = outcome.build
        assert build is not None  # noqa: S101  # an outcome has the one or the other
        if build.phase is Phase.ERROR:
            error = _remembered_failure(build, outcome.retry_after or 1)
            return _answer(error.status, error.body(), error.headers())
        message = "workflow dispatched" if outcome.started else "build in progress"
        body = {"message": message, "build_id": build.id, "status_url": f"/status/{build.id}"}
        return _answer(HTTPStatus.ACCEPTED, body)


def _remembered_failure(build: Build, wait: int) -> ApiError:
    return ApiError(
        HTTPStatus.CONFLICT,
        "build_failed",
        f"the last build failed: {build.error}; ask again in {wait} s (operators: or with force)",
        retry_after=wait,
        details={"build_id": build.id, "run_url": build.run_url, "retry_after": wait},
    )


def _answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), _JSON | (headers or {}))


def _dispatch_failed(error: DispatchFailed) -> ApiError:
    if error.retry_after is None:
        message = "GitHub refused to start the build workflow; the operator's log says why"
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return ApiError(status, "dispatch_refused", message, retry_after=300)
    cause = error.__cause__
    reason = without_github(cause) if isinstance(cause, GitHubUnavailable) else "GitHub is slow"
    message = f"{reason}; the build is kept and starts when it can, so ask again"
    return github_unavailable(message, error.retry_after)
