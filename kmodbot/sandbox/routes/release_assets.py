"""Release assets.

https://docs.github.com/rest/releases/assets
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Final

from aiohttp import web

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer, nothing, page
from kmodbot.sandbox.asset_names import kept_name
from kmodbot.sandbox.errors import Refusal, invalid_request, not_found, validation_failed
from kmodbot.sandbox.records import Asset, Release
from kmodbot.sandbox.render import releases as render
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.routes.releases import find_release, visible
from kmodbot.sandbox.signatures import signed_url
from kmodbot.sandbox.world import world_of

# https://docs.github.com/repositories/releasing-projects-on-github/about-releases#storage-and-bandwidth-quotas
MOST_ASSETS: Final = 1000
OCTETS: Final = "application/octet-stream"


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of assets, but for uploading."""
    releases = f"{root}{REPOSITORY}/releases"
    router.add_get(f"{releases}/{{id:\\d+}}/assets", list_assets)
    router.add_get(f"{releases}/assets/{{asset}}", get_asset)
    router.add_delete(f"{releases}/assets/{{asset}}", delete_asset)


def add_upload(router: web.UrlDispatcher, root: str) -> None:
    """Add the route that takes uploads, which has its own root."""
    router.add_post(f"{root}{REPOSITORY}/releases/{{id:\\d+}}/assets", upload_asset)


@needs("contents")
async def list_assets(request: web.Request) -> web.Response:
    """List the assets of a release."""
    world, release = world_of(request), find_release(request)
    return page(request, release.assets, lambda asset: render.asset(world, release, asset))


@needs("contents")
async def get_asset(request: web.Request) -> web.Response:
    """Show an asset, or send its bytes to who accepts `application/octet-stream`.

    Bytes of a private repository are fetched from a signed address; a client has to handle both.
    """
    world = world_of(request)
    release, asset = _find(request)
    if request.headers.get("Accept") != OCTETS:
        return answer(render.asset(world, release, asset))
    if world.private:
        raise web.HTTPFound(signed_url(world, asset))
    return send(asset)


@needs("contents", "write")
async def delete_asset(request: web.Request) -> web.Response:
    """Delete an asset."""
    release, asset = _find(request)
    release.assets.remove(asset)
    asset.file.unlink()
    return nothing()


@needs("contents", "write")
async def upload_asset(request: web.Request) -> web.Response:
    """Store a file under the name that GitHub keeps for it."""
    world, release = world_of(request), find_release(request)
    name, data = kept_name(request.query.get("name", "")), await request.read()
    if not name:
        raise invalid_request('"name" wasn\'t supplied.')
    if not data:
        raise Refusal(400, "Bad Content-Length: ")
    _check_room(release, name)
    number = next(world.ids)
    file = world.directory / "assets" / str(number)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    asset = Asset(
        id=number,
        name=name,
        label=request.query.get("label"),
        content_type=request.headers.get("Content-Type", OCTETS),
        size=len(data),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        uploader=account_of(request),
        created_at=world.clock(),
        file=file,
    )
    release.assets.append(asset)
    return answer(render.asset(world, release, asset), HTTPStatus.CREATED)


def send(asset: Asset) -> web.Response:
    """Return an answer with the bytes of an asset, and count the download."""
    asset.download_count += 1
    headers = {
        "Content-Type": asset.content_type,
        "Content-Disposition": f"attachment; filename={asset.name}",
    }
    return web.Response(body=asset.file.read_bytes(), headers=headers)


def _check_room(release: Release, name: str) -> None:
    if any(asset.name == name for asset in release.assets):
        raise validation_failed("ReleaseAsset", "already_exists", field="name")
    if len(release.assets) >= MOST_ASSETS:
        raise validation_failed(
            "ReleaseAsset",
            "custom",
            field="file_count",
            message=f"file_count limited to {MOST_ASSETS} assets per release",
        )


def _find(request: web.Request) -> tuple[Release, Asset]:
    for release, asset in world_of(request).assets():
        if str(asset.id) == request.match_info["asset"] and visible(request, release):
            return release, asset
    raise not_found()
