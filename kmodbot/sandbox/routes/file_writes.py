"""Writing one file to a branch.

https://docs.github.com/rest/repos/contents#create-or-update-file-contents
"""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer
from kmodbot.sandbox.body import Body, read_body
from kmodbot.sandbox.errors import Refusal, invalid_request, unprocessable
from kmodbot.sandbox.git import BRANCHES, Ident
from kmodbot.sandbox.pushes import move_ref
from kmodbot.sandbox.render.commits import git_commit
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.routes.contents import shown_file
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the route that writes a file."""
    router.add_put(f"{root}{REPOSITORY}/contents/{{path:.+}}", put_contents)


@needs("contents", "write")
async def put_contents(request: web.Request) -> web.Response:
    """Commit a new or changed file; whoever changes one names the content that is replaced."""
    world, body = world_of(request), await read_body(request)
    path, branch = request.match_info["path"].strip("/"), body.maybe_text("branch", "main") or ""
    head = world.branch(branch)
    if head is None:
        raise Refusal(404, f"Branch {branch} not found")
    before = world.git.entry(head, path)
    _check_replaced(path, before, body.maybe_text("sha"))
    message, account = body.text("message"), account_of(request)
    blob = world.git.objects.create_blob(_content(body))
    tree = _tree_with(world, head, path, blob)
    author = Ident(account.login, account.email, world.clock())
    commit = world.git.add_commit(tree, [head], message, author, author)
    move_ref(world, BRANCHES + branch, commit, account)
    written = world.git.objects[blob]
    document = {
        "content": shown_file(world, path, branch, written),
        "commit": git_commit(world, world.git.commit(commit)),
    }
    return answer(document, HTTPStatus.CREATED if before is None else HTTPStatus.OK)


def _check_replaced(path: str, before: pygit2.Object | None, named: str | None) -> None:
    if before is not None and named is None:
        raise invalid_request('"sha" wasn\'t supplied.')
    if named is not None and (before is None or str(before.id) != named):
        raise Refusal(409, f"{path} does not match {named}")


def _content(body: Body) -> bytes:
    try:
        return base64.b64decode(body.text("content"))
    except binascii.Error as error:
        raise unprocessable("content is not valid Base64") from error


def _tree_with(world: World, commit: str, path: str, blob: pygit2.Oid) -> str:
    index = pygit2.Index()
    index.read_tree(world.git.commit(commit).tree)
    index.add(pygit2.IndexEntry(path, blob, FileMode.BLOB))
    return str(index.write_tree(world.git.objects))
