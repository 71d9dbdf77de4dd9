"""Publishing to the sandbox, which follows GitHub's rules more closely than a test's own server."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.pipeline.github import GitHub
from kmodbot.pipeline.phases import Log
from kmodbot.pipeline.publish import Published, publish_package
from kmodbot.sandbox import Fault, Sandbox

from .conftest import build_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.sandbox import RunContext

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "kmodbot/pipeline/files/workflows/driver-build.yml"
NAME = "hello-debian-6.12.38+deb12-amd64_v0.1.0_amd64.deb"
REQUEST = build_request("6.12.38+deb12-amd64")
INPUTS = {
    "kernel_version": REQUEST.kernel.release,
    "architecture": "x86_64",
    "distribution": "debian",
    "distro_version": "12",
    "driver_version": "v0.1.0",
}


class Publisher:
    """A run that publishes one package, `times` times at once."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.times = 1
        self.published: list[Published] = []

    async def __call__(self, run: RunContext) -> str:
        tries = (asyncio.to_thread(self._publish, run) for _ in range(self.times))
        self.published = await asyncio.gather(*tries)
        return "success"

    def _publish(self, run: RunContext) -> Published:
        github = GitHub(run.api_url, run.repository, run.token)
        log = Log(stream=io.StringIO())
        return publish_package(github, self.package, REQUEST, log, wait=lambda _: None)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    package = tmp_path / NAME
    package.write_bytes(b"a package")
    return Publisher(package)


@pytest.fixture
async def github(tmp_path: Path, publisher: Publisher) -> AsyncIterator[Sandbox]:
    content = {".github/workflows/driver-build.yml": WORKFLOW.read_bytes()}
    async with Sandbox(tmp_path / "github", content=content, runner=publisher) as github:
        yield github


async def run_workflow(github: Sandbox) -> None:
    """Start the workflow as a person does and wait until its run is over."""
    repository = f"{github.api_url}/repos/acme/hello-driver"
    headers = {"Authorization": f"Bearer {github.maintainer_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(
            f"{repository}/actions/workflows/driver-build.yml/dispatches",
            json={"ref": "main", "inputs": INPUTS},
        ) as answer,
    ):
        assert answer.status == 204, await answer.text()
    await github.settled()
    (run,) = github.runs
    assert run.conclusion == "success"


async def test_the_package_can_be_downloaded_where_the_builder_says(
    github: Sandbox, publisher: Publisher
) -> None:
    await run_workflow(github)
    (published,) = publisher.published
    async with aiohttp.ClientSession() as client, client.get(published.url) as answer:
        content = await answer.read()
    assert hashlib.sha256(content).hexdigest() == published.sha256
    assert published.tag == "v0.1.0-debian-12-x86_64"


async def test_builds_that_publish_at_once_share_release_and_asset(
    github: Sandbox, publisher: Publisher
) -> None:
    publisher.times = 8
    await run_workflow(github)
    assert len(set(publisher.published)) == 1
    (release,) = github.releases
    assert [asset.name for asset in release.assets] == [NAME]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="lost_answer", method="POST", path="/releases$"),
        Fault(kind="lost_answer", method="POST", path="/assets", drop=True),
        Fault(kind="secondary_limit", method="POST", path="/assets"),
        Fault(kind="status", path="/releases/tags/", status=503, times=2),
        Fault(kind="reset", method="POST", path="/assets"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.path}",
)
async def test_a_fault_of_github_does_not_fail_the_build(
    github: Sandbox, publisher: Publisher, fault: Fault
) -> None:
    github.faults.add(fault)
    await run_workflow(github)
    (release,) = github.releases
    assert [asset.name for asset in release.assets] == [NAME]
