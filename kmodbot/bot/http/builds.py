"""``POST /build``: a node asks for a driver."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.build import Build, Package, Target
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.errors import ApiError, invalid_field
from kmodbot.bot.github.errors import GitHubRefused, GitHubUnavailable
from kmodbot.bot.http.body import parse_object, read_body, require_json
from kmodbot.kernels import Driver, InvalidInput, Kernel

if TYPE_CHECKING:
    from kmodbot.bot.dispatch import Outcome

log = logging.getLogger(__name__)

MAX_BODY = 16 * 1024
_REQUIRED = ("kernel_version", "architecture", "distribution", "driver_version")
_FIELDS = (*_REQUIRED, "distro_version")


async def request_build(request: web.Request) -> web.Response:
    """Answer with the package, or with the build that makes it; start the build if need be."""
    require_json(request)
    target = parse_target(
        parse_object(await read_body(request, MAX_BODY)), request.app[keys.SETTINGS].driver
    )
    try:
        outcome = await request.app[keys.DISPATCHER].request(target)
    except GitHubUnavailable as error:
        log.warning("it is not known whether %s exists: %s", target.package, error)
        message = "GitHub cannot be reached, so it is not known whether the package exists"
        raise _unavailable(message, error.retry_after or 30) from error
    except GitHubRefused as error:
        log.error("GitHub refuses to show the releases: %s", error)  # noqa: TRY400
        message = "GitHub refuses the bot; the operator's log says why"
        raise _unavailable(message, 60) from error
    except DispatchFailed as error:
        raise _dispatch_failed(error) from error
    return _answer(request, outcome)


def parse_target(data: dict[str, Any], driver: str) -> Target:
    """Validate the fields of a request.

    Raises:
        ApiError: 400, naming the first field that is unknown, missing or wrong.

    """
    for name in data:
        if name not in _FIELDS:
            raise invalid_field(_shown(name), f"unknown field; known are {', '.join(_FIELDS)}")
    for name in _REQUIRED:
        if name not in data:
            raise invalid_field(name, "this field is missing")
    for name, value in data.items():
        if not isinstance(value, str) and not (name == "distro_version" and value is None):
            raise invalid_field(name, f"expected a string, not {_json_type(value)}")
    try:
        kernel = Kernel.parse(
            distribution=data["distribution"],
            distro_version=data.get("distro_version"),
            architecture=data["architecture"],
            release=data["kernel_version"],
        )
        return Target(Driver.parse(driver, data["driver_version"]), kernel)
    except InvalidInput as error:
        raise invalid_field(error.field, error.message) from error


def _answer(request: web.Request, outcome: Outcome) -> web.Response:
    if outcome.package is not None:
        return web.json_response(_exists(outcome.package))
    assert outcome.build is not None  # noqa: S101  # an outcome has the one or the other
    message = "workflow dispatched" if outcome.started else "build in progress"
    body = {"message": message, **_reference(request, outcome.build)}
    return web.json_response(body, status=HTTPStatus.ACCEPTED)


def _exists(package: Package) -> dict[str, str]:
    return {
        "message": "package exists",
        "status": "done",
        "package": package.name,
        "url": package.url,
        "sha256": package.sha256,
    }


def _reference(request: web.Request, build: Build) -> dict[str, str]:
    url = request.app.router["status"].url_for(build_id=build.id)
    return {"build_id": build.id, "status_url": str(url)}


def _dispatch_failed(error: DispatchFailed) -> ApiError:
    if error.retry_after is None:
        message = "GitHub refused to start the build workflow; the operator's log says why"
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return ApiError(status, "dispatch_refused", message, retry_after=300)
    message = "GitHub cannot be reached; the build is kept and starts when it can, so ask again"
    return _unavailable(message, error.retry_after)


def _unavailable(message: str, retry_after: int) -> ApiError:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return ApiError(status, "github_unavailable", message, retry_after=retry_after)


def _shown(name: str) -> str:
    return ascii(name[:64])[1:-1]


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "an object")
