"""Pull requests.

https://docs.github.com/rest/pulls/pulls
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer, page
from kmodbot.sandbox.body import read_body
from kmodbot.sandbox.errors import Refusal, not_found, unprocessable, validation_failed
from kmodbot.sandbox.merging import check, merge
from kmodbot.sandbox.pushes import close, measure, tell_pull
from kmodbot.sandbox.records import Pull
from kmodbot.sandbox.render import pulls as render
from kmodbot.sandbox.render.commits import changed_file, repository_commit
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web

METHODS = ("merge", "squash")


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of pull requests."""
    pulls = f"{root}{REPOSITORY}/pulls"
    router.add_post(pulls, create_pull)
    router.add_get(pulls, list_pulls)
    router.add_get(f"{pulls}/{{number}}", get_pull)
    router.add_patch(f"{pulls}/{{number}}", update_pull)
    router.add_put(f"{pulls}/{{number}}/merge", merge_pull)
    router.add_get(f"{pulls}/{{number}}/commits", list_commits)
    router.add_get(f"{pulls}/{{number}}/files", list_files)


@needs("pull_requests", "write")
async def create_pull(request: web.Request) -> web.Response:
    """Open a pull request; one open request for each head and base."""
    world, body = world_of(request), await read_body(request)
    head, base = _own_branch(world, body.text("head")), body.text("base")
    head_sha, base_sha = world.branch(head), world.branch(base)
    if base_sha is None:
        raise validation_failed("PullRequest", "invalid", field="base")
    if head_sha is None:
        raise validation_failed("PullRequest", "invalid", field="head")
    _check_new(world, head, base)
    now = world.clock()
    pull = Pull(
        id=next(world.ids),
        number=len(world.pulls) + 1,
        title=body.text("title"),
        body=body.maybe_text("body"),
        head_ref=head,
        head_sha=head_sha,
        base_ref=base,
        base_sha=base_sha,
        author=account_of(request),
        created_at=now,
        updated_at=now,
        draft=body.flag("draft"),
    )
    measure(world, pull)
    world.pulls.append(pull)
    tell_pull(world, pull, "opened", pull.author)
    return answer(render.pull(world, pull), HTTPStatus.CREATED)


@needs("pull_requests")
async def list_pulls(request: web.Request) -> web.Response:
    """List pull requests, open ones unless asked otherwise."""
    world, query = world_of(request), request.query
    owner = world.addresses.owner
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [
        pull
        for pull in world.pulls
        if state in ("all", pull.state)
        and (head is None or ":" not in head or head == f"{owner}:{pull.head_ref}")
        and base in (None, pull.base_ref)
    ]
    key = "updated_at" if query.get("sort") == "updated" else "created_at"
    found.sort(key=lambda pull: (getattr(pull, key), pull.number))
    if query.get("direction", "asc" if "sort" in query else "desc") == "desc":
        found.reverse()
    return page(request, found, lambda pull: render.simple_pull(world, pull))


@needs("pull_requests")
async def get_pull(request: web.Request) -> web.Response:
    """Show a pull request; asking for it starts the check whether it can be merged."""
    world, pull = world_of(request), _pull(request)
    document = render.pull(world, pull)
    check(world, pull)
    return answer(document)


@needs("pull_requests", "write")
async def update_pull(request: web.Request) -> web.Response:
    """Change title or body, close or reopen."""
    world, pull, body = world_of(request), _pull(request), await read_body(request)
    state = body.maybe_text("state", pull.state)
    pull.title = body.maybe_text("title", pull.title) or pull.title
    pull.body = body.maybe_text("body", pull.body)
    pull.updated_at = world.clock()
    if state == "closed" and pull.state == "open":
        close(world, pull, account_of(request))
    elif state == "open" and pull.state == "closed":
        _reopen(world, pull)
        tell_pull(world, pull, "reopened", account_of(request))
    return answer(render.pull(world, pull))


@needs("contents", "write")
async def merge_pull(request: web.Request) -> web.Response:
    """Merge a pull request, if its head is still the expected one."""
    world, pull, body = world_of(request), _pull(request), await read_body(request)
    if body.maybe_text("sha", pull.head_sha) != pull.head_sha:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    method = body.maybe_text("merge_method", "merge") or "merge"
    if method not in METHODS:
        raise unprocessable(f"merge_method: expected one of {', '.join(METHODS)}")
    title, message = body.maybe_text("commit_title", ""), body.maybe_text("commit_message", "")
    sha = merge(world, pull, account_of(request), method, title or "", message or "")
    return answer({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@needs("pull_requests")
async def list_commits(request: web.Request) -> web.Response:
    """List the commits of a pull request, oldest first."""
    world, pull = world_of(request), _pull(request)
    commits = world.git.between(pull.base_sha, pull.head_sha)
    return page(request, commits, lambda commit: repository_commit(world, commit))


@needs("pull_requests")
async def list_files(request: web.Request) -> web.Response:
    """List the files a pull request changes."""
    world, pull = world_of(request), _pull(request)
    patches = list(world.git.changes(pull.base_sha, pull.head_sha))
    return page(request, patches, lambda patch: changed_file(world, pull.head_sha, patch))


def _pull(request: web.Request) -> Pull:
    for pull in world_of(request).pulls:
        if str(pull.number) == request.match_info["number"]:
            return pull
    raise not_found()


def _own_branch(world: World, head: str) -> str:
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != world.addresses.owner.lower():
        raise validation_failed("PullRequest", "invalid", field="head")
    return branch


def _check_new(world: World, head: str, base: str) -> None:
    for pull in world.pulls:
        if pull.state == "open" and (pull.head_ref, pull.base_ref) == (head, base):
            name = f"{world.addresses.owner}:{head}"
            raise validation_failed(
                "PullRequest", "custom", message=f"A pull request already exists for {name}."
            )
    head_sha, base_sha = world.branch(head) or "", world.branch(base) or ""
    if not world.git.between(base_sha, head_sha):
        raise validation_failed(
            "PullRequest", "custom", message=f"No commits between {base} and {head}"
        )


def _reopen(world: World, pull: Pull) -> None:
    if pull.merged or world.branch(pull.head_ref) is None:
        raise validation_failed(
            "PullRequest", "invalid", field="state", message="state cannot be changed."
        )
    pull.head_sha = world.branch(pull.head_ref) or pull.head_sha
    _check_new(world, pull.head_ref, pull.base_ref)
    pull.state, pull.closed_at = "open", None
    measure(world, pull)
