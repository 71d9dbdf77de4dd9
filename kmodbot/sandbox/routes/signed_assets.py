"""The storage behind signed addresses, which is not part of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from kmodbot.sandbox.routes.release_assets import send
from kmodbot.sandbox.signatures import is_good
from kmodbot.sandbox.world import world_of

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Asset
    from kmodbot.sandbox.world import World


def add(router: web.UrlDispatcher) -> None:
    """Add the address of the storage."""
    router.add_get("/release-assets/{asset}", fetch_signed)


async def fetch_signed(request: web.Request) -> web.Response:
    """Send an asset to who has a signed address that is not over."""
    world, number = world_of(request), request.match_info["asset"]
    # Such storage takes one way of proving oneself, not two at once.
    if "Authorization" in request.headers:
        return web.Response(status=400, text="Authentication information is given twice.")
    if not is_good(world, number, request.query.get("se", ""), request.query.get("sig", "")):
        return web.Response(status=403, text="Signature not valid in the specified time frame.")
    asset = _find(world, number)
    return send(asset) if asset is not None else web.Response(status=404, text="Not Found")


def _find(world: World, number: str) -> Asset | None:
    return next((asset for _, asset in world.assets() if str(asset.id) == number), None)
