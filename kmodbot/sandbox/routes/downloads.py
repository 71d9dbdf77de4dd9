"""What the public sees without an account: assets, raw files, the repository for `git clone`."""

from __future__ import annotations

import asyncio
import os

from aiohttp import web

from kmodbot.sandbox.routes.release_assets import send
from kmodbot.sandbox.world import World, world_of

UPLOAD_PACK = "git-upload-pack"


def add(router: web.UrlDispatcher) -> None:
    """Add the public addresses."""
    router.add_get("/{owner}/{repository}/releases/download/{tag}/{name}", download)
    router.add_get("/{owner}/{repository}.git/info/refs", fetch)
    router.add_post(f"/{{owner}}/{{repository}}.git/{UPLOAD_PACK}", fetch)


async def download(request: web.Request) -> web.Response:
    """Send an asset of a published release."""
    world, asked = world_of(request), request.match_info
    send_on(world, request)
    if is_ours(world, request) and not world.private:
        for release, asset in world.assets():
            place = (release.tag_name, asset.name)
            public = asset.state == "uploaded" and not release.draft
            if public and place == (asked["tag"], asked["name"]):
                return send(asset)
    return web.Response(status=404, text="Not Found")


async def fetch(request: web.Request) -> web.Response:
    """Serve `git clone` and `git fetch` through git's own HTTP backend; pushing is refused.

    https://git-scm.com/docs/git-http-backend
    """
    world = world_of(request)
    send_on(world, request)
    if not is_ours(world, request):
        return web.Response(status=404, text="Repository not found.")
    if request.query.get("service", UPLOAD_PACK) != UPLOAD_PACK:
        return web.Response(status=403, text="This repository is read-only over HTTP.")
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_PROJECT_ROOT": str(world.git.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": "/" + request.path.partition(".git/")[2],
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
    }
    return _parsed(await _backend(variables, await request.read()))


def is_ours(world: World, request: web.Request) -> bool:
    """Tell whether a public address lies in the repository."""
    return _asked(request) == world.addresses.full_name


def send_on(world: World, request: web.Request) -> None:
    """Redirect from a former name of the repository to the one it has now.

    https://docs.github.com/repositories/creating-and-managing-repositories/renaming-a-repository
    """
    former = _asked(request)
    if former.lower() in world.former_names:
        raise web.HTTPMovedPermanently(
            world.addresses.html + request.path_qs.removeprefix(f"/{former}")
        )


def _asked(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['repository']}"


async def _backend(variables: dict[str, str], body: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=variables | {"CONTENT_LENGTH": str(len(body))},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(body)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output


def _parsed(output: bytes) -> web.Response:
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=headers, body=body)
