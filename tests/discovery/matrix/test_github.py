"""What the releases hold, read from a GitHub that keeps GitHub's rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from kmodbot.discovery.matrix.errors import MatrixError
from kmodbot.discovery.matrix.github import Repository
from kmodbot.sandbox import Fault, Sandbox

from .support import RELEASES, builds, kernels_json, make, run, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TAG = "v0.1.0-debian-12-x86_64"


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "github", content={"README.md": b"hello"}) as github:
        yield github


async def add_release(github: Sandbox, tag: str, *names: str) -> None:
    """Make a release with these assets, as the builder does."""
    headers = {"Authorization": f"Bearer {github.maintainer_token}"}
    repository = f"{github.api_url}/repos/acme/hello-driver"
    async with aiohttp.ClientSession(headers=headers) as client:
        async with client.post(f"{repository}/releases", json={"tag_name": tag}) as answer:
            assert answer.status == 201, await answer.text()
            release = await answer.json()
        upload = release["upload_url"].partition("{")[0]
        for name in names:
            async with client.post(upload, params={"name": name}, data=b"a package") as answer:
                assert answer.status == 201, await answer.text()


def package(release: str) -> str:
    return f"hello-debian-{release}_v0.1.0_amd64.deb"


def environment(github: Sandbox) -> dict[str, str]:
    return {
        "GITHUB_API_URL": github.api_url,
        "GITHUB_REPOSITORY": "acme/hello-driver",
        "GITHUB_TOKEN": github.maintainer_token,
        "KMODBOT_DRIVER": "hello",
    }


async def test_packages_in_the_release_are_not_built_again(github: Sandbox, tmp_path: Path) -> None:
    await add_release(github, TAG, *map(package, RELEASES[:2]))
    kernels = write(tmp_path / "kernels.json", kernels_json(*RELEASES))
    words = ("--kernels", kernels, "--driver-version", "v0.1.0")
    document: Any = await asyncio.to_thread(
        make, tmp_path / "m.json", *words, environment=environment(github)
    )
    assert builds(document) == [("v0.1.0", "6.12.57+deb12-amd64")]


async def test_a_release_with_many_packages_is_read_to_its_end(github: Sandbox) -> None:
    names = [package(f"6.1.0-{number}-amd64") for number in range(1, 132)]
    await add_release(github, TAG, *names)
    repository = Repository(github.api_url, "acme/hello-driver", github.maintainer_token)
    assert await asyncio.to_thread(repository.packages, TAG) == set(names)


async def test_a_release_that_is_not_there_holds_nothing(github: Sandbox) -> None:
    repository = Repository(github.api_url, "acme/hello-driver", github.maintainer_token)
    assert await asyncio.to_thread(repository.packages, TAG) == frozenset()


async def test_the_newest_version_is_the_default(github: Sandbox, tmp_path: Path) -> None:
    # Tags of packages and of pre-releases are no versions to build each night.
    for tag in ("v0.9.0", "v0.10.0", "v1.0.0-rc.1", "v2.0.0-debian-12-x86_64", "nightly"):
        await add_release(github, tag)
    kernels = write(tmp_path / "kernels.json", kernels_json(*RELEASES))
    document: Any = await asyncio.to_thread(
        make, tmp_path / "m.json", "--kernels", kernels, environment=environment(github)
    )
    assert document["driver_versions"] == ["v0.10.0"]


async def test_a_repository_without_a_version_is_named(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, content={"README.md": b"hello"}, tags=()) as github:
        await add_release(github, TAG)
        repository = Repository(github.api_url, "acme/hello-driver", github.maintainer_token)
        with pytest.raises(MatrixError, match="has no tag that is a driver version"):
            await asyncio.to_thread(repository.newest_version)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", path="/releases/tags/", status=503),
        Fault(kind="reset", path="/releases/tags/"),
        Fault(kind="secondary_limit", path="/releases/tags/"),
    ],
    ids=lambda fault: fault.kind,
)
async def test_what_cannot_be_read_is_not_taken_for_nothing(
    github: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    github.faults.add(fault)
    kernels = write(tmp_path / "kernels.json", kernels_json(*RELEASES))
    output = tmp_path / "m.json"
    words = ("--kernels", kernels, "--driver-version", "v0.1.0", "-o", str(output))
    assert await asyncio.to_thread(run, *words, environment=environment(github)) == 1
    error = capsys.readouterr().err
    assert "what the releases hold is unknown" in error
    assert github.maintainer_token not in error
    assert not output.exists()


@pytest.mark.parametrize("name", ["acme/other", "acme/hello-driver"])
async def test_a_repository_the_token_may_not_see_is_not_taken_for_an_empty_one(
    github: Sandbox, name: str
) -> None:
    repository = Repository(github.api_url, name, "ghs_of_somebody_else")
    with pytest.raises(MatrixError, match="GitHub answered 40"):
        await asyncio.to_thread(repository.packages, TAG)


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(Repository("https://api.github.com", "acme/hello-driver", "secret"))


@pytest.mark.parametrize(
    ("name", "value"), [("GITHUB_API_URL", "ftp://x"), ("GITHUB_TOKEN", "a\nb")]
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    kernels = write(tmp_path / "kernels.json", kernels_json(*RELEASES))
    given = {"GITHUB_REPOSITORY": "acme/hello-driver", "KMODBOT_DRIVER": "hello", name: value}
    assert run("--kernels", kernels, environment=given) == 2
    assert f"{name}: " in capsys.readouterr().err
