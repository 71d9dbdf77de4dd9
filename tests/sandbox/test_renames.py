"""A repository under a new name: calls with the old one are sent on, as GitHub does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.sandbox.accounts import REPOSITORY_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.sandbox import Sandbox

OLD, NEW = "acme/hello-driver", "umbrella/greeter"


@pytest.fixture
async def session(github: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {github.maintainer_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def test_a_read_with_the_old_name_is_sent_to_the_id(
    github: Sandbox, session: aiohttp.ClientSession
) -> None:
    github.rename(NEW)
    there = f"{github.api_url}/repositories/{REPOSITORY_ID}"

    url = f"{github.api_url}/repos/{OLD}/releases?per_page=1"
    async with session.get(url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, f"{there}/releases?per_page=1")
    for url in (f"{github.api_url}/repos/{OLD}", f"{github.api_url}/repos/{NEW}", there):
        async with session.get(url) as answer:
            described = await answer.json()
            assert (described["id"], described["full_name"]) == (REPOSITORY_ID, NEW)


async def test_a_write_with_the_old_name_is_not_carried_out_but_sent_on(
    github: Sandbox, session: aiohttp.ClientSession
) -> None:
    github.rename(NEW)
    url = f"{github.api_url}/repos/{OLD}/releases"

    async with session.post(url, json={"tag_name": "v1"}, allow_redirects=False) as answer:
        assert (answer.status, github.releases) == (307, [])
    async with session.post(url, json={"tag_name": "v1"}) as answer:
        assert (answer.status, len(github.releases)) == (201, 1)


async def test_an_address_for_everybody_is_sent_on_too(
    github: Sandbox, session: aiohttp.ClientSession
) -> None:
    github.rename(NEW)
    path = "releases/download/v0.1.0/hello.deb"

    async with session.head(f"{github.server_url}/{OLD}/{path}") as answer:
        there = f"{github.server_url}/{NEW}/{path}"
        assert (answer.status, answer.headers["Location"]) == (301, there)


@pytest.mark.parametrize("place", ["repositories/1", "repos/acme/other", "repositories/x"])
async def test_no_other_repository_is_there(
    github: Sandbox, session: aiohttp.ClientSession, place: str
) -> None:
    github.rename(NEW)

    async with session.get(f"{github.api_url}/{place}") as answer:
        assert answer.status == 404
