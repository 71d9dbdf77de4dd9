"""Refs and branches.

https://docs.github.com/rest/git/refs and https://docs.github.com/rest/branches/branches
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pygit2.enums import ObjectType

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer, nothing, page
from kmodbot.sandbox.body import read_body
from kmodbot.sandbox.errors import not_found, unprocessable
from kmodbot.sandbox.git import KINDS, is_ref_name
from kmodbot.sandbox.pushes import move_ref
from kmodbot.sandbox.render import node_id
from kmodbot.sandbox.render.commits import repository_commit
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of refs and branches."""
    git = f"{root}{REPOSITORY}/git"
    router.add_post(f"{git}/refs", create_ref)
    router.add_get(f"{git}/ref/{{ref:.+}}", get_ref)
    router.add_get(f"{git}/matching-refs/{{ref:.*}}", list_refs)
    router.add_patch(f"{git}/refs/{{ref:.+}}", update_ref)
    router.add_delete(f"{git}/refs/{{ref:.+}}", delete_ref)
    router.add_get(f"{root}{REPOSITORY}/branches/{{branch:.+}}", get_branch)


@needs("contents", "write")
async def create_ref(request: web.Request) -> web.Response:
    """Create a ref; of several callers at once exactly one succeeds."""
    world, body = world_of(request), await read_body(request)
    ref, sha = body.text("ref"), body.text("sha")
    if not ref.startswith("refs/") or ref.count("/") < 2 or not is_ref_name(ref):
        raise unprocessable(f"{ref} is not a valid ref name.")
    if world.git.ref(ref) is not None:
        raise unprocessable("Reference already exists")
    _check_object(world, ref, sha)
    if world.git.in_the_way(ref) is not None:
        raise unprocessable("Reference update failed")
    move_ref(world, ref, sha, account_of(request))
    headers = {"Location": f"{world.addresses.repository}/git/{ref}"}
    return answer(_shown(world, ref), HTTPStatus.CREATED, headers)


@needs("contents")
async def get_ref(request: web.Request) -> web.Response:
    """Show one ref, named exactly."""
    ref = f"refs/{request.match_info['ref']}"
    if world_of(request).git.ref(ref) is None:
        raise not_found()
    return answer(_shown(world_of(request), ref))


@needs("contents")
async def list_refs(request: web.Request) -> web.Response:
    """List the refs whose names start alike."""
    world = world_of(request)
    refs = world.git.refs(f"refs/{request.match_info['ref']}")
    return page(request, refs, lambda ref: _shown(world, ref))


@needs("contents", "write")
async def update_ref(request: web.Request) -> web.Response:
    """Move a ref, forward only unless forced."""
    world, body = world_of(request), await read_body(request)
    ref, sha = f"refs/{request.match_info['ref']}", body.text("sha")
    before = world.git.ref(ref)
    if before is None:
        raise unprocessable("Reference does not exist")
    _check_object(world, ref, sha)
    if not body.flag("force") and not world.git.contains(sha, before):
        raise unprocessable("Update is not a fast forward")
    move_ref(world, ref, sha, account_of(request))
    return answer(_shown(world, ref))


@needs("contents", "write")
async def delete_ref(request: web.Request) -> web.Response:
    """Delete a ref."""
    world, ref = world_of(request), f"refs/{request.match_info['ref']}"
    if world.git.ref(ref) is None:
        raise unprocessable("Reference does not exist")
    if ref == "refs/heads/main":
        raise unprocessable("Cannot delete the default branch")
    move_ref(world, ref, None, account_of(request))
    return nothing()


@needs("contents")
async def get_branch(request: web.Request) -> web.Response:
    """Show a branch with its newest commit."""
    world, name = world_of(request), request.match_info["branch"]
    sha = world.branch(name)
    if sha is None:
        raise not_found()
    url = f"{world.addresses.repository}/branches/{name}"
    return answer(
        {
            "name": name,
            "commit": repository_commit(world, world.git.commit(sha)),
            "_links": {"self": url, "html": f"{world.addresses.html}/tree/{name}"},
            "protected": False,
            "protection": {
                "enabled": False,
                "required_status_checks": {
                    "enforcement_level": "off",
                    "contexts": [],
                    "checks": [],
                },
            },
            "protection_url": f"{url}/protection",
        }
    )


def _check_object(world: World, ref: str, sha: str) -> None:
    if world.git.find(sha) is None:
        raise unprocessable("Object does not exist")
    if ref.startswith("refs/heads/") and world.git.find(sha, ObjectType.COMMIT) is None:
        raise unprocessable("Object is not a commit")


def _shown(world: World, ref: str) -> dict[str, Any]:
    sha = world.git.ref(ref) or ""
    found = world.git.find(sha)
    kind = KINDS[found.type] if found is not None else "commit"
    url = f"{world.addresses.repository}/git"
    return {
        "ref": ref,
        "node_id": node_id("REF", ref),
        "url": f"{url}/{ref}",
        "object": {"sha": sha, "type": kind, "url": f"{url}/{kind}s/{sha}"},
    }
