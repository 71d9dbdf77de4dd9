"""Conditional requests are free, other requests are counted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from githubkit.exception import PrimaryRateLimitExceeded

from .support import HELLO, Client, got, mint

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

    from .support import Clock

URL = "/repos/acme/hello-driver"


async def used(client: Client) -> int:
    return (await got(client.rate_limit.async_get())).resources.core.used


async def etag(client: Client) -> str:
    return (await client.repos.async_get(*HELLO)).headers["ETag"]


async def test_an_unchanged_answer_is_not_sent_again_and_costs_nothing(bot: Client) -> None:
    tag = await etag(bot)
    before = await used(bot)
    response = await bot.request("GET", URL, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == tag
    assert await used(bot) == before


async def test_a_changed_answer_is_sent_again(bot: Client, nobody: Client) -> None:
    url = f"{URL}/releases"
    tag = (await bot.request("GET", url)).headers["ETag"]
    await bot.repos.async_create_release(*HELLO, tag_name="v0.2.0")
    response = await bot.request("GET", url, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response.headers["ETag"] != tag


async def test_an_etag_is_worth_nothing_with_another_token(bot: Client, github: Sandbox) -> None:
    other = Client(github, await mint(github))
    response = await other.request("GET", URL, headers={"If-None-Match": await etag(bot)})
    assert response.status_code == 200


async def test_requests_are_counted_in_headers_and_rate_limit(bot: Client) -> None:
    before = await used(bot)
    response = await bot.repos.async_get(*HELLO)
    assert int(response.headers["X-RateLimit-Used"]) == before + 1
    assert int(response.headers["X-RateLimit-Remaining"]) == 5000 - before - 1
    assert response.headers["X-RateLimit-Resource"] == "core"
    assert await used(bot) == before + 1


async def test_tokens_of_one_installation_share_a_limit(bot: Client, github: Sandbox) -> None:
    other = Client(github, await mint(github))
    before = await used(other)
    await bot.repos.async_get(*HELLO)
    assert await used(other) == before + 1


async def test_who_has_no_requests_left_waits_for_the_next_hour(
    nobody: Client, clock: Clock
) -> None:
    for _ in range(60):
        await nobody.repos.async_get(*HELLO)
    with pytest.raises(PrimaryRateLimitExceeded) as caught:
        await nobody.repos.async_get(*HELLO)
    assert caught.value.response.headers["X-RateLimit-Remaining"] == "0"
    clock.ahead = timedelta(hours=1)
    await nobody.repos.async_get(*HELLO)


async def test_every_answer_has_a_request_id_and_a_media_type(bot: Client) -> None:
    first, second = [await bot.repos.async_get(*HELLO) for _ in range(2)]
    assert first.headers["X-GitHub-Request-Id"] != second.headers["X-GitHub-Request-Id"]
    assert first.headers["X-GitHub-Media-Type"] == "github.v3; format=json"
