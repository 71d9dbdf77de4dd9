"""Releases.

https://docs.github.com/rest/releases/releases
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kmodbot.sandbox.access import REPOSITORY, actor_of, needs
from kmodbot.sandbox.answers import answer, page
from kmodbot.sandbox.body import Body, read_body
from kmodbot.sandbox.errors import invalid_request, not_found, validation_failed
from kmodbot.sandbox.git import TAGS, is_ref_name
from kmodbot.sandbox.pushes import move_ref
from kmodbot.sandbox.records import Release
from kmodbot.sandbox.render import releases as render
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web

    from kmodbot.sandbox.accounts import Account


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of releases."""
    releases = f"{root}{REPOSITORY}/releases"
    router.add_post(releases, create_release)
    router.add_get(releases, list_releases)
    router.add_get(f"{releases}/latest", get_latest)
    router.add_get(f"{releases}/tags/{{tag:.+}}", get_by_tag)
    router.add_get(f"{releases}/{{id:\\d+}}", get_release)
    router.add_patch(f"{releases}/{{id:\\d+}}", update_release)


@needs("contents", "write")
async def create_release(request: web.Request) -> web.Response:
    """Create a release, and its tag when it is published and there is none."""
    world, body = world_of(request), await read_body(request)
    tag = body.text("tag_name")
    if not tag or not is_ref_name(TAGS + tag):
        raise validation_failed("Release", "invalid", field="tag_name")
    if _published(world, tag) is not None:
        raise validation_failed("Release", "already_exists", field="tag_name")
    release = Release(
        id=next(world.ids),
        tag_name=tag,
        target_commitish=body.maybe_text("target_commitish", "main") or "main",
        name=body.maybe_text("name"),
        body=body.maybe_text("body"),
        draft=body.flag("draft"),
        prerelease=body.flag("prerelease"),
        author=account_of(request),
        created_at=world.clock(),
        make_latest=_make_latest(body, default=True),
    )
    _check_target(world, release)
    world.releases.append(release)
    if release.draft:
        _tell(world, release, "created", release.author)
    else:
        _publish(world, release, release.author, saved_before=False)
    headers = {"Location": f"{world.addresses.repository}/releases/{release.id}"}
    return answer(render.release(world, release), HTTPStatus.CREATED, headers)


@needs("contents")
async def list_releases(request: web.Request) -> web.Response:
    """List releases, newest first; drafts only for who may change them."""
    world = world_of(request)
    seen = [r for r in reversed(world.releases) if visible(request, r)]
    return page(request, seen, lambda release: render.release(world, release))


@needs("contents")
async def get_latest(request: web.Request) -> web.Response:
    """Show the newest full release that may be called the latest."""
    world = world_of(request)
    for release in reversed(world.releases):
        if release.make_latest and not release.draft and not release.prerelease:
            return answer(render.release(world, release))
    raise not_found()


@needs("contents")
async def get_by_tag(request: web.Request) -> web.Response:
    """Show the published release of a tag."""
    world = world_of(request)
    release = _published(world, request.match_info["tag"])
    if release is None:
        raise not_found()
    return answer(render.release(world, release))


@needs("contents")
async def get_release(request: web.Request) -> web.Response:
    """Show a release."""
    return answer(render.release(world_of(request), find_release(request)))


@needs("contents", "write")
async def update_release(request: web.Request) -> web.Response:
    """Change a release; `draft: false` publishes a draft."""
    world, release, body = world_of(request), find_release(request), await read_body(request)
    release.name = body.maybe_text("name", release.name)
    release.body = body.maybe_text("body", release.body)
    release.prerelease = body.flag("prerelease", default=release.prerelease)
    release.make_latest = _make_latest(body, default=release.make_latest)
    if release.draft and not body.flag("draft", default=True):
        if _published(world, release.tag_name) is not None:
            raise validation_failed("Release", "already_exists", field="tag_name")
        release.draft = False
        _publish(world, release, account_of(request), saved_before=True)
    else:
        _tell(world, release, "edited", account_of(request))
    return answer(render.release(world, release))


def find_release(request: web.Request) -> Release:
    """Return the release that the path names by its id.

    Raises:
        Refusal: 404, there is none, or the caller may not see it.

    """
    for release in world_of(request).releases:
        if str(release.id) == request.match_info["id"] and visible(request, release):
            return release
    raise not_found()


def visible(request: web.Request, release: Release) -> bool:
    """Tell whether the caller may see a release: everybody, unless it is a draft."""
    return not release.draft or actor_of(request).may("contents", "write")


def _published(world: World, tag: str) -> Release | None:
    for release in world.releases:
        if release.tag_name == tag and not release.draft:
            return release
    return None


def _check_target(world: World, release: Release) -> None:
    tagged = world.git.ref(TAGS + release.tag_name) is not None
    if not tagged and world.git.resolve(release.target_commitish) is None:
        raise validation_failed("Release", "invalid", field="target_commitish")


def _publish(world: World, release: Release, actor: Account, *, saved_before: bool) -> None:
    release.published_at = world.clock()
    tag, target = TAGS + release.tag_name, world.git.resolve(release.target_commitish)
    if world.git.ref(tag) is None and target is not None:
        move_ref(world, tag, target, actor)
    final = "prereleased" if release.prerelease else "released"
    for action in (() if saved_before else ("created",)) + ("published", final):
        _tell(world, release, action, actor)


def _tell(world: World, release: Release, action: str, actor: Account) -> None:
    document = render.release(world, release)
    if action == "edited":
        world.hooks.emit("release", action, actor, release=document, changes={})
    else:
        world.hooks.emit("release", action, actor, release=document)


def _make_latest(body: Body, *, default: bool) -> bool:
    value = body.maybe_text("make_latest")
    if value not in (None, "true", "false", "legacy"):
        raise invalid_request("For 'properties/make_latest', expected true, false or legacy.")
    return default if value is None else value != "false"
