"""A private repository: hidden from strangers, its assets behind signed addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OCTETS = {"Accept": "application/octet-stream"}


class Clock:
    """A clock that can be moved on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hidden(tmp_path: Path, clock: Clock) -> AsyncIterator[Sandbox]:
    """Run a GitHub whose repository is private."""
    async with Sandbox(
        tmp_path, content={"README.md": b"A driver.\n"}, private=True, clock=clock
    ) as sandbox:
        yield sandbox


@pytest.fixture
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def member(hidden: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {hidden.maintainer_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def uploaded(hidden: Sandbox, member: aiohttp.ClientSession) -> dict[str, str]:
    """Upload an asset; return its description."""
    repository = f"{hidden.api_url}/repos/{hidden.repository}"
    async with member.post(f"{repository}/releases", json={"tag_name": "v0.1.0"}) as answer:
        upload = (await answer.json())["upload_url"].partition("{")[0]
    async with member.post(upload, params={"name": "a.deb"}, data=b"content") as answer:
        asset: dict[str, str] = await answer.json()
        return asset


async def signed(member: aiohttp.ClientSession, asset: dict[str, str]) -> str:
    async with member.get(asset["url"], headers=OCTETS, allow_redirects=False) as answer:
        assert answer.status == 302
        return answer.headers["Location"]


async def test_a_stranger_sees_nothing(
    hidden: Sandbox, member: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    asset = await uploaded(hidden, member)
    repository = f"{hidden.api_url}/repos/{hidden.repository}"

    for url in (repository, f"{repository}/releases", asset["url"], asset["browser_download_url"]):
        async with stranger.get(url) as answer:
            assert answer.status == 404


async def test_the_repository_says_that_it_is_private(
    hidden: Sandbox, member: aiohttp.ClientSession
) -> None:
    async with member.get(f"{hidden.api_url}/repos/{hidden.repository}") as answer:
        repository = await answer.json()

    assert (repository["private"], repository["visibility"]) == (True, "private")


async def test_a_signed_address_needs_no_token(
    hidden: Sandbox, member: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    place = await signed(member, await uploaded(hidden, member))

    async with stranger.get(place) as answer:
        assert (answer.status, await answer.read()) == (200, b"content")


async def test_a_signed_address_takes_no_token(
    hidden: Sandbox, member: aiohttp.ClientSession
) -> None:
    place = await signed(member, await uploaded(hidden, member))

    async with member.get(place) as answer:
        assert answer.status == 400


async def test_a_signed_address_ends_soon(
    hidden: Sandbox, member: aiohttp.ClientSession, stranger: aiohttp.ClientSession, clock: Clock
) -> None:
    place = await signed(member, await uploaded(hidden, member))
    clock.ahead = timedelta(minutes=6)

    async with stranger.get(place) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("change", [("se=", "se=1"), ("sig=", "sig=0"), ("sig=", "x=")])
async def test_a_signature_is_of_one_address(
    hidden: Sandbox,
    member: aiohttp.ClientSession,
    stranger: aiohttp.ClientSession,
    change: tuple[str, str],
) -> None:
    place = await signed(member, await uploaded(hidden, member))

    async with stranger.get(place.replace(*change)) as answer:
        assert answer.status == 403
