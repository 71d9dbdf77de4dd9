"""Trees.

https://docs.github.com/rest/git/trees
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pygit2
from pygit2.enums import FileMode, ObjectType

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer
from kmodbot.sandbox.body import Body, read_body
from kmodbot.sandbox.errors import not_found, unprocessable
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web

MODES = {"100644": "blob", "100755": "blob", "120000": "blob", "040000": "tree"}


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of trees."""
    trees = f"{root}{REPOSITORY}/git/trees"
    router.add_post(trees, create_tree)
    router.add_get(f"{trees}/{{sha:.+}}", get_tree)


@needs("contents", "write")
async def create_tree(request: web.Request) -> web.Response:
    """Write a tree: the entries given, on top of `base_tree` when there is one."""
    world, body = world_of(request), await read_body(request)
    index = pygit2.Index()
    base = body.maybe_text("base_tree")
    if base is not None:
        index.read_tree(_base_tree(world, base))
    for entry in body.items("tree"):
        _put(world, index, entry)
    tree = str(index.write_tree(world.git.objects))
    return answer(_tree(world, tree, recursive=False), HTTPStatus.CREATED)


@needs("contents")
async def get_tree(request: web.Request) -> web.Response:
    """Show a tree, named by its sha, or by a commit or branch that has it."""
    world, name = world_of(request), request.match_info["sha"]
    commit = world.git.resolve(name)
    tree = str(world.git.commit(commit).tree_id) if commit else name
    if world.git.find(tree, ObjectType.TREE) is None:
        raise not_found()
    return answer(_tree(world, tree, recursive="recursive" in request.query))


def _url(world: World, kind: str, sha: str) -> str:
    return f"{world.addresses.repository}/git/{kind}/{sha}"


def _base_tree(world: World, sha: str) -> pygit2.Tree:
    found = world.git.find(sha)
    if found is None or found.type not in (ObjectType.COMMIT, ObjectType.TREE):
        raise unprocessable("base_tree is not a valid tree oid")
    return found.peel(pygit2.Tree)


def _put(world: World, index: pygit2.Index, entry: Any) -> None:
    """Add, replace or (with a null sha) remove one entry."""
    body = Body(entry if isinstance(entry, dict) else {})
    path, mode = body.text("path"), body.maybe_text("mode", "100644") or ""
    if "\0" in path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise unprocessable("tree.path contains a malformed path component")
    if mode not in MODES:
        raise unprocessable("tree.mode is not one of 100644, 100755, 040000, 120000")
    sha = body.maybe_text("sha")
    if "sha" in body and sha is None:
        _remove(index, path)
    elif MODES[mode] == "tree":
        _put_tree(world, index, path, sha)
    else:
        index.add(pygit2.IndexEntry(path, _blob(world, body, sha), FileMode(int(mode, 8))))


def _blob(world: World, body: Body, sha: str | None) -> pygit2.Oid:
    if sha is None:
        return world.git.objects.create_blob(body.text("content").encode())
    if world.git.find(sha, ObjectType.BLOB) is None:
        raise unprocessable(f"tree.sha {sha} is not a valid blob")
    return pygit2.Oid(hex=sha)


def _put_tree(world: World, index: pygit2.Index, path: str, sha: str | None) -> None:
    tree = world.git.find(sha or "", ObjectType.TREE)
    if not isinstance(tree, pygit2.Tree):
        raise unprocessable(f"tree.sha {sha} is not a valid tree")
    part = pygit2.Index()
    part.read_tree(tree)
    for entry in part:
        index.add(pygit2.IndexEntry(f"{path}/{entry.path}", entry.id, entry.mode))


def _remove(index: pygit2.Index, path: str) -> None:
    gone = [e.path for e in index if e.path == path or e.path.startswith(f"{path}/")]
    if not gone:
        raise unprocessable("GitRPC::BadObjectState")
    for name in gone:
        index.remove(name)


def _tree(world: World, sha: str, *, recursive: bool) -> dict[str, Any]:
    tree = world.git.objects[sha]
    return {
        "sha": sha,
        "url": _url(world, "trees", sha),
        "tree": list(_entries(world, tree, "", recursive=recursive)),
        "truncated": False,
    }


def _entries(world: World, tree: Any, prefix: str, *, recursive: bool) -> list[dict[str, Any]]:
    listed = []
    for item in tree:
        kind = "tree" if isinstance(item, pygit2.Tree) else "blob"
        entry = {
            "path": prefix + item.name,
            "mode": f"{int(item.filemode):06o}",
            "type": kind,
            "sha": str(item.id),
            "url": _url(world, f"{kind}s", str(item.id)),
        }
        if isinstance(item, pygit2.Blob):
            entry["size"] = item.size
        listed.append(entry)
        if recursive and kind == "tree":
            listed += _entries(world, item, f"{prefix}{item.name}/", recursive=True)
    return listed
