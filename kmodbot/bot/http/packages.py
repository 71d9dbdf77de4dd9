"""``GET /packages/{tag}/{name}``: a package of a private repository."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import ClientError, web

from kmodbot.bot import keys
from kmodbot.bot.downloads import parse_address
from kmodbot.bot.errors import ApiError, github_unavailable, without_github
from kmodbot.bot.github.errors import GitHubGone, GitHubRefused, GitHubUnavailable

if TYPE_CHECKING:
    import aiohttp

    from kmodbot.bot.build import Package, Target

log = logging.getLogger(__name__)

_BYTES = "application/octet-stream"
_PIECE = 1 << 16
# What a driver-loader believes; a larger package is none.
_LARGEST = 256 << 20
_SECONDS_BEFORE_A_MISS_IS_CHECKED = 2.0


async def fetch_package(request: web.Request) -> web.StreamResponse:
    """Answer with a redirect to an address that GitHub has just signed, or with the bytes.

    The address works for whoever has it, so it is neither logged nor kept.
    https://docs.github.com/en/rest/releases/assets#get-a-release-asset
    """
    settings, asked = request.app[keys.SETTINGS], request.match_info
    target = parse_address(settings.driver, asked["tag"], asked["name"])
    if target is None:
        raise _not_found()
    request.app[keys.LOOKUPS].admit(request[keys.CALLER].name)
    try:
        answer = await _open(request.app, target)
    except GitHubUnavailable as error:
        log.warning("%s cannot be looked up: %s", target.package, error)
        message = f"{without_github(error)}; ask again"
        raise github_unavailable(message, error.retry_after or 30) from error
    except GitHubRefused as error:
        log.error("%s cannot be looked up: %s", target.package, error)  # noqa: TRY400
        raise github_unavailable(without_github(error), 60) from error
    async with answer:
        if answer.status == HTTPStatus.OK:
            return await _pass_on(request, answer)
        return _redirect(answer, settings.api_url)


async def _open(app: web.Application, target: Target) -> aiohttp.ClientResponse:
    index = app[keys.INDEX]
    package = await index.find(target) or await index.find(
        target, max_age=_SECONDS_BEFORE_A_MISS_IS_CHECKED
    )
    try:
        return await _open_asset(app, package)
    except GitHubGone:
        # The asset was replaced since the release was read.
        pass
    return await _open_asset(app, await index.find(target, max_age=0))


async def _open_asset(app: web.Application, package: Package | None) -> aiohttp.ClientResponse:
    if package is None:
        raise _not_found()
    return await app[keys.GITHUB].open(f"/releases/assets/{package.asset_id}", accept=_BYTES)


def _redirect(answer: aiohttp.ClientResponse, api_url: str) -> web.Response:
    location = answer.headers.get("Location", "")
    # A GitHub in the clear, as in a test, may point to storage in the clear.
    if urlsplit(location).scheme not in {"https", urlsplit(api_url).scheme}:
        raise github_unavailable("GitHub sent an answer that cannot be read", 30)
    headers = {"Location": location, "Cache-Control": "no-store"}
    return web.Response(status=HTTPStatus.FOUND, headers=headers)


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    size = answer.content_length
    if size is None or size > _LARGEST:
        raise github_unavailable("GitHub sent a package of no believable size", 60)
    response = web.StreamResponse(headers={"Content-Type": _BYTES, "Cache-Control": "no-store"})
    response.content_length = size
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_chunked(_PIECE):
            await response.write(piece)
        await response.write_eof()
    except (ClientError, TimeoutError) as error:
        log.warning("%s broke off on its way: %s", request.path, type(error).__name__)
        # Too late for another answer: the node sees by the length that something is missing.
        if request.transport is not None:
            request.transport.abort()
    return response


def _not_found() -> ApiError:
    message = "there is no such package; ask for one with POST /build"
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
