"""The sandbox: a GitHub on localhost, with one App installed on one repository."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import aiohttp
from aiohttp import web

from kmodbot.sandbox.accounts import APP_ID, MAINTAINER, REPOSITORY_ID
from kmodbot.sandbox.addresses import Addresses
from kmodbot.sandbox.auth import Keyring
from kmodbot.sandbox.git import TAGS, File, GitRepository, Ident
from kmodbot.sandbox.limits import Limits
from kmodbot.sandbox.middleware import WATCH, Watch, answered, observed
from kmodbot.sandbox.routes import add_routes
from kmodbot.sandbox.runner import CommandRunner, Runner
from kmodbot.sandbox.runs import RunQueue
from kmodbot.sandbox.webhooks import Hooks
from kmodbot.sandbox.world import WORLD, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from kmodbot.sandbox.faults import Faults
    from kmodbot.sandbox.middleware import Observer
    from kmodbot.sandbox.records import Call, Delivery, Pull, Release, Run

# The largest body the sandbox takes: a package.
MOST_BYTES = 256 * 1024 * 1024


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Sandbox:
    """A GitHub that runs while the context is open.

    Its addresses follow GitHub Enterprise Server: the API at `api_url`, git at
    `{server_url}/{repository}.git`, packages at
    `{server_url}/{repository}/releases/download/{tag}/{name}`.

    `content` is the first commit of `main`, which gets `tags`; `directory` holds the bare git
    repository, the bytes of assets, the logs of runs and the App's key, and starts empty.
    `runner` carries out dispatched runs; without one they are carried out for real. A `private`
    repository shows its API and packages only to those with a token. `repository_id` is the number
    that tells it from others that had its name, or will have it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        repository: str = "acme/hello-driver",
        repository_id: int = REPOSITORY_ID,
        content: Mapping[str, bytes] | Path,
        tags: Sequence[str] = ("v0.1.0",),
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        runner: Runner | None = None,
        private: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.directory = directory
        self.repository = repository
        self._repository_id = repository_id
        self.webhook_secret = webhook_secret or secrets.token_hex(20)
        self._content = content
        self._tags = tags
        self._webhook_url = webhook_url
        self._runner = runner or CommandRunner()
        self._private = private
        self._address = (host, port)
        self._clock = clock
        self._watch = Watch()
        self._open = AsyncExitStack()
        self._world: World

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listener = socket.create_server(self._address)
            stack.callback(listener.close)
            host, port = listener.getsockname()[:2]
            self._world = world = self._build_world(f"http://{host}:{port}")
            world.hooks = Hooks(world, self._webhook_url, self.webhook_secret)
            stack.push_async_callback(world.hooks.close)
            runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listener).start()
            world.queue = RunQueue(world, self._runner)
            stack.push_async_callback(world.queue.close)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    @property
    def server_url(self) -> str:
        """The address of the server."""
        return self._world.addresses.server

    @property
    def api_url(self) -> str:
        """The root of the REST API."""
        return self._world.addresses.api

    @property
    def clone_url(self) -> str:
        """What `git clone` takes."""
        return self._world.addresses.clone

    @property
    def repository_path(self) -> Path:
        """The bare git repository on disk."""
        return self._world.git.path

    @property
    def app_id(self) -> str:
        """The id of the App."""
        return str(APP_ID)

    @property
    def private_key(self) -> str:
        """The App's private key in PEM."""
        return self._world.keyring.private_key

    @property
    def maintainer_token(self) -> str:
        """The token of a person with write access."""
        return self._world.keyring.maintainer_token

    @property
    def webhook_url(self) -> str | None:
        """Where webhooks go; None sends none."""
        return self._world.hooks.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._world.hooks.url = url

    @property
    def run_details(self) -> Literal["told", "ignored", "refused"]:
        """Whether a dispatch tells its run, as older servers do not: they ignore or refuse it."""
        return self._world.run_details

    @run_details.setter
    def run_details(self, choice: Literal["told", "ignored", "refused"]) -> None:
        self._world.run_details = choice

    @property
    def faults(self) -> Faults:
        """The faults still to happen."""
        return self._world.faults

    @property
    def runs(self) -> list[Run]:
        """The workflow runs, oldest first."""
        return self._world.runs

    @property
    def pulls(self) -> list[Pull]:
        """The pull requests, oldest first."""
        return self._world.pulls

    @property
    def releases(self) -> list[Release]:
        """The releases, oldest first."""
        return self._world.releases

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks sent, in the order in which they were answered."""
        return self._world.hooks.deliveries

    @property
    def calls(self) -> list[Call]:
        """The API requests received, oldest first."""
        return self._world.calls

    def environment(self) -> dict[str, str]:
        """Return the variables the bot is configured with."""
        return {
            "GITHUB_API_URL": self.api_url,
            "GITHUB_APP_ID": self.app_id,
            "GITHUB_APP_PRIVATE_KEY": self.private_key,
            "GITHUB_WEBHOOK_SECRET": self.webhook_secret,
            "GITHUB_REPOSITORY": self.repository,
        }

    def observe(self, callback: Observer) -> None:
        """Await `callback(call, moment)` at each moment of every API request.

        The moments are "received" (nothing is applied yet), "applied" (everything is done, the
        answer is not sent) and "answered".
        """
        self._watch.observers.append(callback)

    def rename(self, repository: str) -> None:
        """Give the repository another name, or another owner; calls with the old one are sent on.

        https://docs.github.com/repositories/creating-and-managing-repositories/renaming-a-repository
        """
        world, (owner, _, name) = self._world, repository.partition("/")
        world.former_names.add(self.repository.lower())
        world.former_names.discard(repository.lower())
        world.addresses = Addresses(world.addresses.server, owner, name)
        self.repository = repository

    def hold_runs(self) -> None:
        """Let new runs stay queued until `release_runs` is called."""
        self._world.queue.held = True

    def release_runs(self) -> None:
        """Let the queued runs start."""
        self._world.queue.release()

    async def settled(self) -> None:
        """Wait until no run is going on and no webhook is on its way; held runs do not count."""
        while pending := self._world.queue.tasks | self._world.hooks.tasks:
            await asyncio.wait(pending)

    async def merge_pull(self, number: int) -> dict[str, Any]:
        """Merge a pull request as the maintainer, through the API.

        Raises:
            RuntimeError: GitHub refuses; the message says why.

        """
        url = f"{self._world.addresses.repository}/pulls/{number}/merge"
        headers = {"Authorization": f"Bearer {self.maintainer_token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.put(url, json={}) as response,
        ):
            document: dict[str, Any] = await response.json()
        if response.status != 200:
            raise RuntimeError(f"pull request {number} was not merged: {document['message']}")
        return document

    def _build_world(self, server: str) -> World:
        owner, _, name = self.repository.partition("/")
        git = GitRepository(self.directory / "git" / owner / f"{name}.git")
        author = Ident(MAINTAINER.login, MAINTAINER.email, self._clock())
        first = git.commit_files(_files(self._content), "First commit", author)
        for tag in self._tags:
            git.set_ref(TAGS + tag, first)
        keyring = Keyring(self._clock)
        key_file = self.directory / "app.pem"
        key_file.touch(mode=0o600)
        key_file.write_text(keyring.private_key)
        return World(
            directory=self.directory,
            addresses=Addresses(server, owner, name),
            clock=self._clock,
            git=git,
            created_at=self._clock(),
            keyring=keyring,
            limits=Limits(self._clock),
            private=self._private,
            repository_id=self._repository_id,
        )

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[observed, answered], client_max_size=MOST_BYTES)
        application[WORLD] = self._world
        application[WATCH] = self._watch
        add_routes(application)
        return application


def _files(content: Mapping[str, bytes] | Path) -> dict[str, File]:
    if not isinstance(content, Path):
        return {path: File(data) for path, data in content.items()}
    return {
        path.relative_to(content).as_posix(): File(
            path.read_bytes(), executable=bool(path.stat().st_mode & 0o100)
        )
        for path in sorted(content.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(content).parts
    }
