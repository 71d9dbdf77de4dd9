"""The App: itself, its installation, tokens, webhook deliveries.

https://docs.github.com/rest/apps/apps and https://docs.github.com/rest/apps/webhooks
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.access import REPOSITORY, as_app, check_repository
from kmodbot.sandbox.accounts import APP_PERMISSIONS, INSTALLATION_ID
from kmodbot.sandbox.answers import answer, link, page, per_page
from kmodbot.sandbox.body import Body, read_body
from kmodbot.sandbox.errors import not_found, unprocessable
from kmodbot.sandbox.render import accounts as render
from kmodbot.sandbox.render import timestamp
from kmodbot.sandbox.render.repository import whole
from kmodbot.sandbox.webhooks import delivery_item, whole_delivery
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web

    from kmodbot.sandbox.records import Delivery


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of the App."""
    router.add_get(f"{root}/app", get_app)
    router.add_get(f"{root}/app/installations", list_installations)
    router.add_get(f"{root}{REPOSITORY}/installation", get_installation)
    router.add_post(f"{root}/app/installations/{{id}}/access_tokens", create_token)
    router.add_get(f"{root}/app/hook/deliveries", list_deliveries)
    router.add_get(f"{root}/app/hook/deliveries/{{id}}", get_delivery)
    router.add_post(f"{root}/app/hook/deliveries/{{id}}/attempts", redeliver)


@as_app
async def get_app(request: web.Request) -> web.Response:
    """Show the App."""
    return answer(render.app(world_of(request)))


@as_app
async def list_installations(request: web.Request) -> web.Response:
    """List the one installation."""
    world = world_of(request)
    return page(request, [world], render.installation)


@as_app
async def get_installation(request: web.Request) -> web.Response:
    """Show the installation on a repository."""
    check_repository(request)
    return answer(render.installation(world_of(request)))


@as_app
async def create_token(request: web.Request) -> web.Response:
    """Mint an installation token, for less than everything if asked so."""
    world = world_of(request)
    body = await read_body(request)
    if request.match_info["id"] != str(INSTALLATION_ID):
        raise not_found()
    chosen = _chosen_repositories(world, body)
    asked = body.mapping("permissions")
    for name, level in asked.items():
        if level not in ("read", "write") or not _granted(name, level):
            raise unprocessable("The permissions requested are not granted to this installation.")
    actor = world.keyring.mint("installation", asked or APP_PERMISSIONS)
    document: dict[str, Any] = {
        "token": actor.token,
        "expires_at": timestamp(actor.expires_at),
        "permissions": actor.permissions,
        "repository_selection": "selected",
    }
    if chosen:
        document["repositories"] = [whole(world)]
    return answer(document, HTTPStatus.CREATED)


@as_app
async def list_deliveries(request: web.Request) -> web.Response:
    """List the webhook deliveries of the last days, newest first."""
    deliveries = [d for d in world_of(request).hooks.listed() if _has_status(d, request)]
    cursor = request.query.get("cursor", "").removeprefix("v1_")
    if cursor.isdecimal():
        deliveries = [delivery for delivery in deliveries if delivery.id <= int(cursor)]
    size = per_page(request)
    following = {}
    if len(deliveries) > size:
        following["next"] = request.url.update_query(cursor=f"v1_{deliveries[size].id}")
    return answer([delivery_item(d) for d in deliveries[:size]], headers=link(following))


@as_app
async def get_delivery(request: web.Request) -> web.Response:
    """Show a delivery with its payload."""
    return answer(whole_delivery(_delivery(request), world_of(request).hooks.url))


@as_app
async def redeliver(request: web.Request) -> web.Response:
    """Send a delivery again."""
    world_of(request).hooks.redeliver(_delivery(request))
    return answer({}, HTTPStatus.ACCEPTED)


def _delivery(request: web.Request) -> Delivery:
    for delivery in world_of(request).hooks.listed():
        if str(delivery.id) == request.match_info["id"]:
            return delivery
    raise not_found()


def _has_status(delivery: Delivery, request: web.Request) -> bool:
    wanted = request.query.get("status")
    return wanted is None or (wanted == "success") == (delivery.status == "OK")


def _granted(name: str, level: str) -> bool:
    return APP_PERMISSIONS.get(name) in ("write", level)


def _chosen_repositories(world: World, body: Body) -> bool:
    names, ids = body.items("repositories", []), body.items("repository_ids", [])
    known = (world.addresses.name.lower(), world.repository_id)
    for chosen in (*(str(name).lower() for name in names), *ids):
        if chosen not in known:
            raise unprocessable(
                "There is at least one repository that does not exist or is not accessible to "
                "the parent installation."
            )
    return bool(names or ids)
