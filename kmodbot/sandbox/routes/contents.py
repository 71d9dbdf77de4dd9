"""Files and directories.

https://docs.github.com/rest/repos/contents#get-repository-content
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pygit2
from aiohttp import web

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import answer
from kmodbot.sandbox.errors import Refusal
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from collections.abc import Iterable

RAW: Final = ("application/vnd.github.raw+json", "application/vnd.github.raw")
# Larger files come only in raw form.
MOST_INLINE: Final = 1024 * 1024


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of contents."""
    router.add_get(f"{root}{REPOSITORY}/contents/{{path:.*}}", get_contents)


@needs("contents")
async def get_contents(request: web.Request) -> web.Response:
    """Show a file or list a directory, at `ref` or on the default branch."""
    world, path = world_of(request), request.match_info["path"].strip("/")
    ref = request.query.get("ref", "main")
    commit = world.git.resolve(ref)
    if commit is None:
        raise Refusal(404, f"No commit found for the ref {ref}")
    found = world.git.entry(commit, path)
    if isinstance(found, pygit2.Tree):
        entries: Iterable[Any] = found
        folder = f"{path}/" if path else ""
        return answer([_entry(world, folder + entry.name, ref, entry) for entry in entries])
    if not isinstance(found, pygit2.Blob):
        raise Refusal(404, "Not Found")
    if request.headers.get("Accept", "") in RAW:
        return web.Response(body=found.data, content_type=RAW[0], charset="utf-8")
    return answer(_file(world, path, ref, found))


def shown_file(world: World, path: str, ref: str, blob: pygit2.Object) -> dict[str, Any]:
    """Return a file as it stands in a list, without its content."""
    return _entry(world, path, ref, blob.peel(pygit2.Blob))


def _file(world: World, path: str, ref: str, blob: pygit2.Blob) -> dict[str, Any]:
    inline = blob.size <= MOST_INLINE
    return _entry(world, path, ref, blob) | {
        "content": base64.encodebytes(blob.data).decode() if inline else "",
        "encoding": "base64" if inline else "none",
    }


def _entry(world: World, path: str, ref: str, item: pygit2.Blob | pygit2.Tree) -> dict[str, Any]:
    addresses, place = world.addresses, quote(path)
    kind = "blob" if isinstance(item, pygit2.Blob) else "tree"
    url = f"{addresses.repository}/contents/{place}?ref={quote(ref)}"
    git_url = f"{addresses.repository}/git/{kind}s/{item.id}"
    html_url = f"{addresses.html}/{kind}/{quote(ref)}/{place}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": str(item.id),
        "size": item.size if isinstance(item, pygit2.Blob) else 0,
        "url": url,
        "html_url": html_url,
        "git_url": git_url,
        "download_url": f"{addresses.html}/raw/{quote(ref)}/{place}" if kind == "blob" else None,
        "type": "file" if kind == "blob" else "dir",
        "_links": {"self": url, "git": git_url, "html": html_url},
    }
