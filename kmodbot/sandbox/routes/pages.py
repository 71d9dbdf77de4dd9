"""The pages of runs, pull requests and releases, for everybody to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from kmodbot.sandbox.render.pages import pull_page, release_page, run_page
from kmodbot.sandbox.routes.downloads import is_ours
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from collections.abc import Callable

Record = TypeVar("Record")


def add(router: web.UrlDispatcher) -> None:
    """Add the addresses that the API calls `html_url`."""
    root = "/{owner}/{repository}"
    router.add_get(f"{root}/actions/runs/{{key}}", show_run)
    router.add_get(f"{root}/pull/{{key}}", show_pull)
    router.add_get(f"{root}/releases/tag/{{key:.+}}", show_release)


async def show_run(request: web.Request) -> web.Response:
    """Show a run."""
    world, key = world_of(request), request.match_info["key"]
    return _shown(request, run_page, [run for run in world.runs if str(run.id) == key])


async def show_pull(request: web.Request) -> web.Response:
    """Show a pull request."""
    world, key = world_of(request), request.match_info["key"]
    return _shown(request, pull_page, [pull for pull in world.pulls if str(pull.number) == key])


async def show_release(request: web.Request) -> web.Response:
    """Show a published release."""
    world, key = world_of(request), request.match_info["key"]
    public = [release for release in world.releases if not release.draft]
    return _shown(request, release_page, [found for found in public if found.tag_name == key])


def _shown(
    request: web.Request, page: Callable[[World, Record], str], found: list[Record]
) -> web.Response:
    world = world_of(request)
    if not found or not is_ours(world, request):
        return web.Response(status=404, text="Not Found")
    # Logs and texts come from elsewhere, so no browser may take them for more than text.
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(text=page(world, found[0]), headers=headers)
