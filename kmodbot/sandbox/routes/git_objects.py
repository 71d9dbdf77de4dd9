"""Blobs and commits.

https://docs.github.com/rest/git/blobs and https://docs.github.com/rest/git/commits
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import ObjectType

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer
from kmodbot.sandbox.body import Body, read_body
from kmodbot.sandbox.errors import invalid_request, not_found, unprocessable
from kmodbot.sandbox.git import Ident
from kmodbot.sandbox.render import node_id
from kmodbot.sandbox.render.commits import git_commit
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of blobs and commits."""
    git = f"{root}{REPOSITORY}/git"
    router.add_post(f"{git}/blobs", create_blob)
    router.add_get(f"{git}/blobs/{{sha}}", get_blob)
    router.add_post(f"{git}/commits", create_commit)
    router.add_get(f"{git}/commits/{{sha}}", get_commit)


@needs("contents", "write")
async def create_blob(request: web.Request) -> web.Response:
    """Store bytes, given as text or in base64."""
    world, body = world_of(request), await read_body(request)
    content, encoding = body.text("content"), body.maybe_text("encoding", "utf-8")
    try:
        data = base64.b64decode(content) if encoding == "base64" else content.encode()
    except ValueError as error:
        raise unprocessable("content is not valid Base64.") from error
    sha = str(world.git.objects.create_blob(data))
    return answer({"sha": sha, "url": _url(world, "blobs", sha)}, HTTPStatus.CREATED)


@needs("contents")
async def get_blob(request: web.Request) -> web.Response:
    """Show a blob in base64."""
    world, sha = world_of(request), request.match_info["sha"]
    blob = world.git.find(sha, ObjectType.BLOB)
    if not isinstance(blob, pygit2.Blob):
        raise not_found()
    return answer(
        {
            "sha": sha,
            "node_id": node_id("B", sha),
            "size": blob.size,
            "url": _url(world, "blobs", sha),
            "content": base64.encodebytes(blob.data).decode(),
            "encoding": "base64",
        }
    )


@needs("contents", "write")
async def create_commit(request: web.Request) -> web.Response:
    """Write a commit without moving a ref. Who says nothing of the author is the author."""
    world, body = world_of(request), await read_body(request)
    account, now = account_of(request), world.clock()
    author = _ident(body, "author", Ident(account.login, account.email, now))
    committer = _ident(body, "committer", author)
    tree, parents = body.text("tree"), [str(sha) for sha in body.items("parents", [])]
    if world.git.find(tree, ObjectType.TREE) is None:
        raise unprocessable("Tree SHA does not exist")
    if any(world.git.find(parent, ObjectType.COMMIT) is None for parent in parents):
        raise unprocessable("Parent SHA does not exist or is not a commit object")
    sha = world.git.add_commit(tree, parents, body.text("message"), author, committer)
    return answer(git_commit(world, world.git.commit(sha)), HTTPStatus.CREATED)


@needs("contents")
async def get_commit(request: web.Request) -> web.Response:
    """Show a commit."""
    world, sha = world_of(request), request.match_info["sha"]
    if world.git.find(sha, ObjectType.COMMIT) is None:
        raise not_found()
    return answer(git_commit(world, world.git.commit(sha)))


def _url(world: World, kind: str, sha: str) -> str:
    return f"{world.addresses.repository}/git/{kind}/{sha}"


def _ident(body: Body, name: str, default: Ident) -> Ident:
    if name not in body:
        return default
    given = Body(body.mapping(name))
    for member in ("name", "email"):
        if not given.text(member).isprintable() or not given.text(member).strip():
            raise invalid_request(f"{name}.{member} is not usable in a commit.")
    return Ident(given.text("name"), given.text("email"), _date(given, default.when))


def _date(given: Body, default: datetime) -> datetime:
    text = given.maybe_text("date")
    try:
        return datetime.fromisoformat(text) if text else default
    except ValueError as error:
        raise invalid_request(f"{json.dumps(text)} is not a valid date-time.") from error
