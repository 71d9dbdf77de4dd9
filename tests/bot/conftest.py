"""A GitHub on localhost, the bot beside it, and quick runs that publish a small package."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kmodbot.bot import keys
from kmodbot.bot.app import create_app
from kmodbot.bot.build import Target
from kmodbot.bot.settings import Settings
from kmodbot.kernels import Driver, Kernel
from kmodbot.sandbox import Sandbox
from tests.bot.maintainer import Maintainer
from tests.bot.postgresql import Server, migrated, postgresql
from tests.bot.stored import waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiohttp import web

    from kmodbot.sandbox.runner import RunContext

WORKFLOW = """\
name: driver-build
run-name: >-
  kmodbot ${{ inputs.build_id }} ${{ inputs.driver_version }} ${{ inputs.distribution }}
  ${{ inputs.distro_version }} ${{ inputs.architecture }} ${{ inputs.kernel_version }}
on:
  workflow_dispatch:
    inputs:
      kernel_version: {required: true, type: string}
      architecture: {required: true, type: choice, options: [x86_64, aarch64]}
      distribution: {required: true, type: string}
      distro_version: {required: true, type: string}
      driver_version: {required: true, type: string}
      build_id: {required: false, type: string, default: manual}
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    permissions: {contents: write}
    name: Build
    steps: [{name: Check out, uses: actions/checkout}, {name: Build the package, run: make}]
"""
FAR_FUTURE = datetime(2999, 1, 1, tzinfo=UTC)
CONTENT = {
    ".github/workflows/driver-build.yml": WORKFLOW.encode(),
    ".github/workflows/other.yml": WORKFLOW.encode(),
    ".github/kernels.json": b"{}\n",
    "README.md": b"A driver.\n",
}
DEBIAN = {
    "kernel_version": "6.1.0-38-amd64",
    "architecture": "x86_64",
    "distribution": "debian",
    "distro_version": "12",
    "driver_version": "v0.1.0",
}


__all__ = ["migrated", "postgresql"]

on_both_stores = pytest.mark.parametrize("store", ["sqlite", "postgresql"])


@pytest.fixture
def store() -> str:
    """Return the kind of database to use; ``@on_both_stores`` runs a test with each."""
    return "sqlite"


@pytest.fixture
def database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a database that nobody else uses."""
    if store == "sqlite":
        yield f"sqlite:///{tmp_path}/kmodbot.db"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.create(template=request.getfixturevalue("migrated"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def empty_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a database without any table."""
    if store == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="session")
def app_key() -> str:
    """Return a private key as GitHub hands it to the owner of an App."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@dataclass
class QuickRunner:
    """Carries a run out by publishing a small package, or as ``conclusion`` says.

    It ends when ``may_end`` is set, where that is given.
    """

    conclusion: str = "success"
    publishes: bool = True
    runs: list[int] = field(default_factory=list)
    may_end: asyncio.Event | None = None

    async def __call__(self, run: RunContext) -> str:
        self.runs.append(run.run_id)
        if self.may_end is not None:
            await self.may_end.wait()
        if self.publishes and self.conclusion == "success":
            await publish(run)
        return self.conclusion


async def publish(run: RunContext) -> None:
    """Publish what the run was dispatched for."""
    target = target_of(dict(run.inputs))
    repository = f"{run.api_url}/repos/{run.repository}"
    headers = {"Authorization": f"Bearer {run.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        body = {"tag_name": target.tag, "make_latest": "false"}
        async with session.post(f"{repository}/releases", json=body) as created:
            release = await created.json()
        if created.status == 422:
            # Another run has made it.
            async with session.get(f"{repository}/releases/tags/{target.tag}") as found:
                release = await found.json()
        upload = release["upload_url"].split("{")[0]
        async with session.post(
            upload, params={"name": target.package}, data=target.package.encode()
        ) as uploaded:
            assert uploaded.status == 201, await uploaded.text()


def target_of(request: dict[str, str]) -> Target:
    """Return the target of a request to the API, or of a run's inputs."""
    kernel = Kernel.parse(
        distribution=request["distribution"],
        distro_version=request["distro_version"],
        architecture=request["architecture"],
        release=request["kernel_version"],
    )
    return Target(Driver.parse("hello", request["driver_version"]), kernel)


@dataclass
class Bot:
    """A bot that runs, and how the tests speak to it."""

    client: TestClient[web.Request, web.Application]
    app: web.Application
    github: Sandbox

    async def ask(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        """POST /build for the usual kernel, with some fields changed."""
        async with self.client.post("/build", json=DEBIAN | changes) as answer:
            return answer.status, await answer.json()

    async def status(self, build_id: str, wait: int = 0) -> dict[str, Any]:
        """GET /status/{id}."""
        async with self.client.get(f"/status/{build_id}", params={"wait": str(wait)}) as answer:
            assert answer.status == 200, await answer.text()
            body: dict[str, Any] = await answer.json()
            return body

    async def finished(self, build_id: str) -> dict[str, Any]:
        """Wait for the end of a build, and until its consequences have come to rest."""
        body = await self.status(build_id, wait=30)
        await self.settled()
        return body

    async def settled(self) -> None:
        """Wait until neither GitHub nor the bot has anything left to do."""
        await self.github.settled()
        await eventually(self._every_delivery_was_tried)
        await self.github.settled()

    async def _every_delivery_was_tried(self) -> bool:
        untried = await waiting(self.app[keys.DELIVERIES])
        return all(delivery.attempts > 0 for delivery in untried)

    async def reconcile(self) -> None:
        """Compare the store with GitHub now instead of in half a minute."""
        await self.app[keys.WORKERS].reconcile()

    def calls(self, method: str, ending: str) -> int:
        """Count the requests that GitHub got."""
        return sum(
            call.method == method and call.path.endswith(ending) for call in self.github.calls
        )


def git(github: Sandbox, *arguments: str) -> str:
    """Ask git about the driver's repository."""
    command = ["git", "-C", str(github.repository_path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def kernels_listed(github: Sandbox, branch: str = "main") -> list[dict[str, str]]:
    """Return the x86_64 entries of kernels.json on a branch."""
    entries: list[dict[str, str]] = json.loads(
        git(github, "show", f"{branch}:.github/kernels.json")
    )["x86_64"]
    return entries


def is_one_commit_above_main(github: Sandbox, branch: str) -> bool:
    """Tell whether a branch is the newest commit of main plus one."""
    return git(github, "rev-parse", f"{branch}^@") == git(github, "rev-parse", "main")


async def dispatch_by_hand(bot: Bot, build_id: str = "manual", **changes: str) -> None:
    """Start a run for the usual kernel in GitHub's pages, some inputs changed."""
    await Maintainer(bot.github).start_run(DEBIAN | {"build_id": build_id} | changes)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for a condition, which may be asynchronous."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.005)


async def reconciled_to(bot: Bot, github: Sandbox, *, runs: int) -> bool:
    """Reconcile, and tell whether GitHub has so many runs then."""
    await bot.reconcile()
    return len(github.runs) == runs


@pytest.fixture
def runner() -> QuickRunner:
    return QuickRunner()


@pytest.fixture
def content() -> dict[str, bytes]:
    """Return the files of the driver's repository."""
    return CONTENT


@pytest.fixture
async def github(
    tmp_path: Path, content: dict[str, bytes], runner: QuickRunner
) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "github", content=content, runner=runner) as sandbox:
        yield sandbox
        # What a test means to show is not shown by a fault that strikes nobody.
        assert sandbox.faults.idle == []


@pytest.fixture
def settings(github: Sandbox, database_url: str) -> Settings:
    return Settings.from_environment(
        {
            **github.environment(),
            "KMODBOT_DRIVER": "hello",
            "DATABASE_URL": database_url,
            "KMODBOT_RECONCILE_SECONDS": "999999",
            "KMODBOT_LAG_SECONDS": "0.001",
            "KMODBOT_OVERDUE_SECONDS": "0.001",
            "KMODBOT_REPAIR_SECONDS": "0.001",
            "KMODBOT_WRITE_SECONDS": "0.001",
            "KMODBOT_REDELIVER_SECONDS": "999999",
        }
    )


@asynccontextmanager
async def running_bot(
    settings: Settings, github: Sandbox, *, is_away: bool = False
) -> AsyncIterator[Bot]:
    """Run a bot that GitHub's webhooks reach, and that reaches GitHub unless that ``is_away``."""
    app = create_app(settings)
    has_looked_round = first_round(app)
    async with TestClient(TestServer(app)) as client:
        github.webhook_url = str(client.make_url("/webhooks/github"))
        if not is_away:
            with contextlib.suppress(TimeoutError):
                # Unless GitHub does not let it.
                await asyncio.wait_for(has_looked_round.wait(), 2)
        yield Bot(client, app, github)
        github.webhook_url = None


@asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``kmodbot serve`` as a process, which is gone after the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kmodbot.cli", "serve"),
        env=environment,
        cwd=Path(__file__).parents[2],
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def first_round(app: web.Application) -> asyncio.Event:
    """Return an event that is set when a bot has done what it does once when it starts."""
    is_over = asyncio.Event()

    async def watch(app: web.Application) -> AsyncIterator[None]:
        reconciler = app[keys.WORKERS]._reconciler
        reconcile = reconciler.reconcile

        async def watched() -> None:
            try:
                await reconcile()
            finally:
                is_over.set()

        reconciler.reconcile = watched  # type: ignore[method-assign]
        yield

    # Before the work begins, which is the last thing that happens.
    app.cleanup_ctx.insert(len(app.cleanup_ctx) - 1, watch)
    return is_over


@pytest.fixture(autouse=True)
def outages_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at once, not seconds later, whether GitHub is back."""
    monkeypatch.setattr("kmodbot.bot.delivery_pool._FIRST_BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr("kmodbot.bot.delivery_pool._SHORTEST_LAG_SECONDS", 0.02)


@pytest.fixture
async def bot(settings: Settings, github: Sandbox) -> AsyncIterator[Bot]:
    async with running_bot(settings, github) as bot:
        yield bot
