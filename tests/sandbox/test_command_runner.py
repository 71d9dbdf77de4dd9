"""The runner that carries runs out for real: check out, build without a token, publish with one."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.sandbox import Sandbox

from .support import HELLO, INPUTS, WORKFLOW, WORKFLOW_FILE, Client, mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from kmodbot.sandbox import Run

BUILDER = """\
import json, os, pathlib, sys, urllib.request
step, *options = sys.argv[1:]
if step == "build":
    assert options == ["--source", "driver", "--output", "packages"], options
    pathlib.Path("packages").mkdir()
    source = pathlib.Path("driver/hello.c").read_text()
    shown = {"source": source, "environment": dict(os.environ)}
    pathlib.Path("packages/hello.json").write_text(json.dumps(shown))
    print("built on", os.environ["KERNEL_VERSION"])
else:
    assert options == ["--packages", "packages"], options
    headers = {"Authorization": "Bearer " + os.environ["GITHUB_TOKEN"]}
    request = urllib.request.Request(
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/releases",
        json.dumps({"tag_name": "v0.1.0-debian-12-x86_64"}).encode(),
        headers,
    )
    release = json.load(urllib.request.urlopen(request))
    data = pathlib.Path("packages/hello.json").read_bytes()
    url = release["upload_url"].partition("{")[0] + "?name=hello.json"
    request = urllib.request.Request(url, data, headers)
    urllib.request.urlopen(request)
"""
FOREVER = """\
import os, subprocess
child = subprocess.Popen(["sleep", "1000"])
with open({pipe!r}, "w") as pipe:
    print(os.getpid(), child.pid, file=pipe)
child.wait()
"""


def zipapp(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", source)
    return packed.getvalue()


@asynccontextmanager
async def sandbox(directory: Path, builder: str) -> AsyncIterator[Sandbox]:
    content = {
        f".github/workflows/{WORKFLOW}": WORKFLOW_FILE,
        ".github/kmodbot/driver-builder.pyz": zipapp(builder),
        "hello.c": b"int tagged;\n",
    }
    async with Sandbox(directory, content=content) as github:
        yield github


async def dispatch(github: Sandbox, **inputs: str) -> Run:
    bot = Client(github, await mint(github))
    await bot.actions.async_create_workflow_dispatch(
        *HELLO, WORKFLOW, ref="main", inputs={**INPUTS, **inputs}
    )
    return github.runs[-1]


def log_of(github: Sandbox, run: Run) -> str:
    return (github.directory / "runs" / f"{run.id}-{run.attempt}" / "log.txt").read_text()


async def test_a_run_is_built_from_the_tag_and_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    async with sandbox(tmp_path, BUILDER) as github:
        run = await dispatch(github, build_id="abcd")
        await github.settled()
        assert run.conclusion == "success", log_of(github, run)
        (asset,) = github.releases[0].assets
        assert asset.uploader.login == "github-actions[bot]"
        published = asset.file.read_text()
        assert "built on 6.1.0-38-amd64" in log_of(github, run)
    assert '"source": "int tagged;\\n"' in published
    for expected in ('"BUILD_ID": "abcd"', '"ARCHITECTURE": "x86_64"', '"CI": "true"'):
        assert expected in published
    for unwanted in ("GITHUB_TOKEN", "SECRET_OF_THE_HOST"):
        assert unwanted not in published


async def test_a_step_that_fails_ends_the_run(tmp_path: Path) -> None:
    async with sandbox(tmp_path, "raise SystemExit('no headers')") as github:
        run = await dispatch(github)
        await github.settled()
        assert run.conclusion == "failure"
        assert "no headers" in log_of(github, run)
        assert "publish" not in log_of(github, run)


async def test_a_driver_version_without_a_tag_fails(tmp_path: Path) -> None:
    async with sandbox(tmp_path, BUILDER) as github:
        run = await dispatch(github, driver_version="v9.9.9")
        await github.settled()
        assert run.conclusion == "failure"
        assert "refs/tags/v9.9.9" in log_of(github, run)


async def test_inputs_never_reach_a_shell(tmp_path: Path) -> None:
    hostile = f"$(touch {tmp_path}/touched); --upload-pack=touch"
    async with sandbox(tmp_path / "sandbox", BUILDER) as github:
        run = await dispatch(github, driver_version=hostile)
        await github.settled()
        assert run.conclusion == "failure"
    assert not (tmp_path / "touched").exists()


async def test_nothing_is_left_running_when_the_sandbox_stops(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with sandbox(tmp_path / "sandbox", FOREVER.format(pipe=str(pipe))) as github:
        await dispatch(github)
        numbers = [int(number) for number in (await asyncio.to_thread(pipe.read_text)).split()]
        assert all(is_running(number) for number in numbers)
    # What is killed ends a little later, and nobody waits for the children of a child.
    async with asyncio.timeout(20):
        while any(is_running(number) for number in numbers):  # the kernel tells nobody
            await asyncio.sleep(0.01)


def is_running(process: int) -> bool:
    """Tell whether a process is there and not only waiting to be reaped."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
