"""What the tests of the sandbox share: GitHub's own client, a webhook receiver, a runner."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
import pytest
from aiohttp import web
from githubkit import GitHub, TokenAuthStrategy
from githubkit.cache import MemCacheStrategy
from githubkit.exception import RequestFailed
from githubkit_schemas.v2022_11_28.models import ContentFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from githubkit.response import Response

    from kmodbot.sandbox import RunContext, Sandbox

T = TypeVar("T")
# Given to every client, because loading certificates for each request takes longer than the rest.
UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
HELLO = ("acme", "hello-driver")
WORKFLOW = "driver-build.yml"
INPUTS = {
    "kernel_version": "6.1.0-38-amd64",
    "architecture": "x86_64",
    "driver_version": "v0.1.0",
}
WORKFLOW_FILE = b"""\
name: driver build
run-name: kmodbot ${{ inputs.build_id }} ${{ inputs.driver_version }} by ${{ github.actor }}
on:
  workflow_dispatch:
    inputs:
      kernel_version: {required: true, type: string}
      architecture: {required: true, type: choice, options: [x86_64, aarch64]}
      driver_version: {required: true, type: string}
      build_id: {default: manual, type: string}
permissions: {}
jobs:
  build:
    permissions: {contents: read}
  publish:
    permissions: {contents: write}
"""
CONTENT = {
    ".github/workflows/driver-build.yml": WORKFLOW_FILE,
    ".github/workflows/lint.yml": b"name: lint\non: push\njobs: {}\n",
    ".github/kernels.json": b'{\n  "x86_64": []\n}\n',
    "hello.c": b"int hello;\n",
}


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Delivered:
    """A webhook as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> str:
        return self.headers["X-GitHub-Event"]


@dataclass
class Receiver:
    """An HTTP server that takes webhooks and answers with `status`."""

    url: str = ""
    status: int = 202
    arrived: list[Delivered] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.arrived.append(Delivered(request.headers, await request.read()))
        return web.Response(status=self.status, text="taken")

    def events(self) -> list[str]:
        return [delivered.event for delivered in self.arrived]


class TestRunner:
    """A runner that ends with `conclusion` as soon as `may_finish` is set."""

    __test__ = False

    def __init__(self) -> None:
        self.conclusion = "success"
        self.started: list[RunContext] = []
        self.begun = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def __call__(self, run: RunContext) -> str:
        self.started.append(run)
        self.begun.set()
        await self.may_finish.wait()
        return self.conclusion


class Client:
    """GitHub's own client for a token (or JWT, or nobody), in the version the sandbox speaks.

    Keep it in a variable while a call goes on: its parts do not keep it alive.
    """

    def __init__(self, github: Sandbox, token: str | None) -> None:
        self._github: GitHub[Any] = GitHub(
            TokenAuthStrategy(token) if token else None,
            base_url=github.api_url,
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
            ssl_verify=UNUSED_TLS,
            trust_env=False,
        )
        calls = self._github.rest("2022-11-28")
        self.actions, self.apps, self.git = calls.actions, calls.apps, calls.git
        self.pulls, self.repos, self.rate_limit = calls.pulls, calls.repos, calls.rate_limit
        self.request = self._github.arequest


def app_jwt(github: Sandbox, **claims: Any) -> str:
    """Return a good JWT of the App, but for `claims`; a claim that is None is left out."""
    now = int(time.time())
    good = {"iat": now - 60, "exp": now + 480, "iss": github.app_id}
    chosen = {name: value for name, value in (good | claims).items() if value is not None}
    return jwt.encode(chosen, github.private_key, algorithm="RS256")


async def mint(github: Sandbox, **permissions: str) -> str:
    """Return an installation token with these permissions, all there are for none."""
    app = Client(github, app_jwt(github))
    data: Any = {"permissions": permissions} if permissions else {}
    return (await got(app.apps.async_create_installation_access_token(300001, data=data))).token


async def got(request: Awaitable[Response[T, Any]]) -> T:
    """Return the answer, parsed by the schema that GitHub publishes for it."""
    return (await request).parsed_data


@dataclass
class Refused:
    """An answer that says no."""

    status: int
    message: str
    errors: list[dict[str, str]]
    headers: Mapping[str, str]


async def refused(request: Awaitable[Any]) -> Refused:
    """Return why a request was refused; it has to be."""
    with pytest.raises(RequestFailed) as caught:
        await request
    response = caught.value.response
    document = response.json()
    assert document["status"] == str(response.status_code)
    assert document["documentation_url"].startswith("https://docs.github.com/")
    return Refused(
        response.status_code, document["message"], document.get("errors", []), response.headers
    )


async def head_of(of: Client, branch: str = "main") -> str:
    """Return the commit of a branch."""
    return (await got(of.git.async_get_ref(*HELLO, f"heads/{branch}"))).object_.sha


async def commit_file(of: Client, path: str, text: str, *, parent: str | None = None) -> str:
    """Return a new commit on top of `parent` (default: main) that writes one file."""
    parent = parent or await head_of(of)
    base = await got(of.git.async_get_commit(*HELLO, parent))
    tree = await got(
        of.git.async_create_tree(
            *HELLO,
            base_tree=base.tree.sha,
            tree=[{"path": path, "mode": "100644", "type": "blob", "content": text}],
        )
    )
    commit = await got(
        of.git.async_create_commit(*HELLO, message=f"Write {path}", tree=tree.sha, parents=[parent])
    )
    return commit.sha


async def push_branch(of: Client, branch: str, path: str, text: str) -> str:
    """Create a branch one commit ahead of main; return that commit."""
    sha = await commit_file(of, path, text)
    await of.git.async_create_ref(*HELLO, ref=f"refs/heads/{branch}", sha=sha)
    return sha


async def get_file(of: Client, path: str, ref: str = "main") -> ContentFile:
    """Return a file as the contents API shows it."""
    response = await of.repos.async_get_content(*HELLO, path, ref=ref)
    return ContentFile.model_validate(response.json())


async def read_file(of: Client, path: str, ref: str = "main") -> bytes:
    """Return the bytes of a file."""
    return decoded((await get_file(of, path, ref)).content)


def decoded(content: str) -> bytes:
    """Return the bytes behind GitHub's base64."""
    return base64.b64decode(content)
