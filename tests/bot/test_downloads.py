"""Packages of a private repository are fetched through the bot."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import StreamReader
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.bot import keys
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.build import Target
from kmodbot.bot.choices import Downloads
from kmodbot.bot.downloads import parse_address
from kmodbot.loader.download import Partial
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import DEBIAN, running_bot, target_of
from tests.kernels.strategies import drivers, kernels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from kmodbot.kernels import Driver, Kernel
    from kmodbot.sandbox.faults import RequestKind
    from tests.bot.conftest import Bot, QuickRunner

PACKAGE = "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"
PATH = f"/packages/v0.1.0-debian-12-x86_64/{PACKAGE}"


@pytest.fixture
async def github(
    tmp_path: Path, content: dict[str, bytes], runner: QuickRunner
) -> AsyncIterator[Sandbox]:
    """Run a GitHub whose repository is private."""
    directory = tmp_path / "github"
    async with Sandbox(directory, content=content, runner=runner, private=True) as sandbox:
        yield sandbox


@pytest.fixture
async def built(bot: Bot) -> Bot:
    """Return a bot for which the usual package exists."""
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    return bot


async def test_the_address_of_a_package_is_the_bots_own(built: Bot) -> None:
    status, body = await built.ask()

    assert (status, body["url"]) == (200, PATH)


async def test_a_node_without_credentials_of_github_gets_the_package(built: Bot) -> None:
    _, body = await built.ask()

    async with built.client.get(body["url"]) as answer:
        assert answer.status == 200
        assert await answer.text() == PACKAGE
        assert [step.status for step in answer.history] == [302]


async def test_the_redirect_is_fresh_and_not_to_be_kept(built: Bot) -> None:
    before = asset_calls(built)
    places = []
    for _ in range(2):
        async with built.client.get(PATH, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Cache-Control"] == "no-store"
            places.append(answer.headers["Location"])

    assert all("sig=" in place for place in places)
    assert asset_calls(built) == before + 2


async def test_what_is_signed_is_not_logged(built: Bot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with built.client.get(PATH, allow_redirects=False) as answer:
        signature = answer.headers["Location"].partition("sig=")[2]

    assert signature
    assert signature not in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        PATH.replace("6.1.0-38", "6.1.0-39"),
        PATH.replace("hello", "other"),
        PATH.replace("debian-12", "debian-13"),
        PATH.replace("amd64.deb", "amd64.rpm"),
        "/packages/v0.1.0-debian-12-x86_64/..%2f..%2fother",
        "/packages/..%2f..%2factions/runs",
        f"/packages/{'v' * 300}/x",
        "/packages/x/y",
    ],
)
async def test_what_is_no_package_of_ours_is_not_found(built: Bot, path: str) -> None:
    async with built.client.get(path) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
    assert asset_calls(built) == 0


def asset_calls(bot: Bot) -> int:
    """Count the requests for assets that GitHub got."""
    return sum("/releases/assets/" in call.path for call in bot.github.calls)


async def test_a_package_that_was_published_again_is_found(built: Bot, github: Sandbox) -> None:
    async with built.client.get(PATH) as answer:
        assert answer.status == 200
    asset = github.releases[0].assets[0]
    asset.id += 1_000_000

    async with built.client.get(PATH) as answer:
        assert await answer.text() == PACKAGE


@pytest.mark.parametrize("kind", ["status", "reset"])
async def test_an_outage_is_told(built: Bot, github: Sandbox, kind: RequestKind) -> None:
    github.faults.add(Fault(path="releases/assets", kind=kind, times=9))
    async with built.client.get(PATH) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "30"


async def test_a_node_has_to_say_who_it_is(settings: Settings, github: Sandbox) -> None:
    guarded = dataclasses.replace(settings, api_tokens=(ApiToken.of("one", "node"),))
    async with (
        running_bot(guarded, github) as bot,
        bot.client.get(PATH, allow_redirects=False) as answer,
    ):
        assert answer.status == 401


async def test_a_loader_shows_its_token_to_the_bot_and_not_to_the_storage(
    settings: Settings, github: Sandbox, tmp_path: Path
) -> None:
    guarded = dataclasses.replace(settings, api_tokens=(ApiToken.of("one", "node"),))
    async with running_bot(guarded, github) as bot:
        bot.client.session.headers["Authorization"] = "Bearer one"
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        url = str(bot.client.make_url(PATH))
        with Partial(tmp_path / "node" / PACKAGE) as partial:
            assert await asyncio.to_thread(partial.download, url, "one")
            assert partial.path.read_text() == PACKAGE


class TestLimits:
    """What callers make the bot ask GitHub is bounded, before it is asked."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, rate_per_minute=3)

    async def test_requests_for_ever_new_packages_are_no_calls_without_end(self, bot: Bot) -> None:
        bot.github.hold_runs()
        before = release_calls(bot)
        statuses = [(await bot.ask(driver_version=f"v9.{n}.0"))[0] for n in range(6)]

        assert statuses == [202, 202, 202, 429, 429, 429]
        assert release_calls(bot) - before == 3

    async def test_fetching_what_is_not_there_is_limited(self, bot: Bot) -> None:
        paths = [PATH.replace("v0.1.0", f"v9.{n}.0") for n in range(5)]
        statuses = []
        for path in paths:
            async with bot.client.get(path) as answer:
                statuses.append(answer.status)

        assert statuses == [404, 404, 404, 429, 429]
        assert answer.headers["Retry-After"]

    async def test_the_end_of_the_hourly_limit_is_kept_for_builds(self, built: Bot) -> None:
        headers = {"remaining": "400", "limit": "5000", "reset": str(int(time.time()) + 600)}
        noted = {f"x-ratelimit-{name}": value for name, value in headers.items()}
        built.app[keys.GITHUB].quota.note(noted)
        before = release_calls(built) + asset_calls(built)

        status, body = await built.ask(driver_version="v9.0.0")
        async with built.client.get(PATH) as answer:
            assert answer.status == 503
            assert 590 <= int(answer.headers["Retry-After"]) <= 600

        assert (status, body["error"]["code"]) == (503, "github_unavailable")
        assert release_calls(built) + asset_calls(built) == before
        assert (await built.ask())[0] == 200


def release_calls(bot: Bot) -> int:
    """Count how often a release was read."""
    return sum("/releases/tags/" in call.path and call.method == "GET" for call in bot.github.calls)


async def test_the_address_begins_as_configured(settings: Settings, github: Sandbox) -> None:
    public = dataclasses.replace(settings, public_url="https://bot.example.com/kmod")
    async with running_bot(public, github) as bot:
        _, asked = await bot.ask()
        ended = await bot.finished(asked["build_id"])

    assert ended["url"] == f"https://bot.example.com/kmod{PATH}"


async def test_the_operator_may_say_that_nodes_ask_github(
    settings: Settings, github: Sandbox
) -> None:
    direct = dataclasses.replace(settings, private_downloads=Downloads.NO)
    async with running_bot(direct, github) as bot:
        _, asked = await bot.ask()
        ended = await bot.finished(asked["build_id"])

    assert ended["url"].startswith(github.server_url)


async def test_a_package_is_fetched_from_a_repository_that_was_renamed(
    built: Bot, github: Sandbox
) -> None:
    github.rename("umbrella/greeter")

    async with built.client.get(PATH) as answer:
        assert answer.status == 200
        assert await answer.text() == PACKAGE


class TestPublicRepository:
    @pytest.fixture
    async def github(
        self, tmp_path: Path, content: dict[str, bytes], runner: QuickRunner
    ) -> AsyncIterator[Sandbox]:
        async with Sandbox(tmp_path / "github", content=content, runner=runner) as sandbox:
            yield sandbox

    async def test_nodes_are_sent_to_github(self, built: Bot, github: Sandbox) -> None:
        _, body = await built.ask()

        assert body["url"].startswith(github.server_url)

    async def test_bytes_that_github_sends_itself_are_passed_on(self, built: Bot) -> None:
        async with built.client.get(PATH) as answer:
            assert answer.history == ()
            assert answer.headers["Cache-Control"] == "no-store"
            assert await answer.text() == PACKAGE

    async def test_a_download_that_breaks_off_is_seen_to_be_cut(
        self, built: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def breaking_off(self: StreamReader, size: int) -> AsyncIterator[bytes]:
            yield b"hello-"
            raise aiohttp.ClientPayloadError("cut")

        # The node has another way of reading, so only the bot's download breaks off.
        monkeypatch.setattr(StreamReader, "iter_chunked", breaking_off)
        with pytest.raises(aiohttp.ClientPayloadError):
            async with built.client.get(PATH) as answer:
                await answer.read()


def test_an_address_is_read_back() -> None:
    target = target_of(DEBIAN)

    assert parse_address("hello", target.tag, target.package) == target


@given(drivers, kernels)
def test_every_address_that_can_be_is_read_back(driver: Driver, kernel: Kernel) -> None:
    target = Target(driver, kernel)

    assert parse_address(target.driver.name, target.tag, target.package) == target


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_other_address_is_taken_for_one(tag: str, name: str) -> None:
    target = parse_address("hello", tag, name)

    assert target is None or (target.tag, target.package) == (tag, name)
