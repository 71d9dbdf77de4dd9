"""The calls that the sandbox answers, one module for each part of GitHub's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.sandbox.middleware import API, UPLOADS
from kmodbot.sandbox.routes import (
    actions,
    apps,
    contents,
    control,
    downloads,
    file_writes,
    git_objects,
    git_refs,
    git_trees,
    pages,
    pulls,
    release_assets,
    releases,
    repository,
    signed_assets,
)

if TYPE_CHECKING:
    from aiohttp import web


def add_routes(application: web.Application) -> None:
    """Add every route to the application of a sandbox."""
    router = application.router
    for module in (actions, apps, contents, file_writes, git_objects, git_refs, git_trees):
        module.add(router, API)
    pulls.add(router, API)
    repository.add(router, API)
    releases.add(router, API)
    release_assets.add(router, API)
    release_assets.add_upload(router, UPLOADS)
    downloads.add(router)
    signed_assets.add(router)
    pages.add(router)
    control.add(router)
