"""The scheduled discovery: history, proposals, builds, and lists that are not believed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.actions import Action
from kmodbot.discovery.al2023 import DiscoveredKernel, Discovery, Outcome, Sighting
from kmodbot.kernels import Kernel
from tests.bot.conftest import (
    eventually,
    is_one_commit_above_main,
    kernels_listed,
    running_bot,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.bot.watch import Watch
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

OK = Outcome("https://repository.example", ("x86_64",), "ok")
AWAY = Outcome("https://repository.example", ("x86_64",), "unknown", reason="timed out")


def kernel(number: int) -> Kernel:
    release = f"6.12.{number}-80.100.amzn2023.x86_64"
    return Kernel.parse(distribution="amazonlinux", architecture="x86_64", release=release)


def listing(
    *numbers: int, outcome: Outcome = OK, devel: str = "present", source: str = "core"
) -> Discovery:
    kernels = tuple(
        DiscoveredKernel(kernel(n), (Sighting(source, f"kernel6.12-{n}", None),), devel)
        for n in numbers
    )
    return Discovery(kernels, (outcome,), ())


@pytest.fixture
def action() -> Action:
    return Action.REPORT


@pytest.fixture
async def watched(
    settings: Settings, github: Sandbox, action: Action
) -> AsyncIterator[tuple[Bot, Watch]]:
    often = dataclasses.replace(settings, discovery=action, discovery_seconds=1e-6)
    async with running_bot(often, github) as bot:
        yield bot, bot.app[keys.WATCH]


async def look(watch: Watch, found: Discovery) -> list[str]:
    async def find() -> Discovery:
        return found

    watch.find = find
    before = await watch.last()
    await watch.look_when_due()
    brought = await watch.last()
    assert brought is not None
    assert brought != before
    return [release.split("-")[0] for release in brought.new]


async def test_what_is_new_is_reported_once(watched: tuple[Bot, Watch]) -> None:
    bot, watch = watched

    assert await look(watch, listing(1, 2)) == ["6.12.1", "6.12.2"]
    assert await look(watch, listing(1, 2, 3)) == ["6.12.3"]

    async with bot.client.get("/discoveries") as answer:
        body = await answer.json()
    assert [entry["kernel_version"].split("-")[0] for entry in body["kernels"]] == [
        "6.12.1",
        "6.12.2",
        "6.12.3",
    ]
    assert body["last_look"]["new"] == [kernel(3).release]


async def test_the_numbers_are_there_for_prometheus(watched: tuple[Bot, Watch]) -> None:
    bot, watch = watched
    await look(watch, listing(1, 2))

    async with bot.client.get("/metrics") as answer:
        text = await answer.text()

    assert answer.content_type == "text/plain"
    assert 'kmodbot_discovered_kernels{architecture="x86_64",devel="present"} 2.0' in text
    assert "kmodbot_discovery_last_new_kernels 2.0" in text


async def test_the_history_outlives_what_the_repository_forgets(
    watched: tuple[Bot, Watch],
) -> None:
    bot, watch = watched
    await look(watch, listing(*range(1, 21)))
    await look(watch, listing(*range(2, 21)))

    seen = await bot.app[keys.DISCOVERIES].all()
    assert kernel(1) in {discovery.kernel for discovery in seen}


async def test_a_list_that_lost_too_much_is_refused_and_says_how_to_force_it(
    watched: tuple[Bot, Watch],
) -> None:
    bot, watch = watched
    await look(watch, listing(*range(1, 11)))

    assert await look(watch, listing(1, 99)) == []

    last = await watch.last()
    assert last is not None
    assert "lost 9 of 10 kernels" in (last.refused or "")
    assert "KMODBOT_DISCOVERY_SHRINK" in (last.refused or "")
    assert kernel(99) not in {d.kernel for d in await bot.app[keys.DISCOVERIES].all()}


async def test_a_source_that_fails_is_unknown_never_empty(watched: tuple[Bot, Watch]) -> None:
    bot, watch = watched
    await look(watch, listing(*range(1, 11)))

    assert await look(watch, listing(11, outcome=AWAY)) == ["6.12.11"]

    last = await watch.last()
    assert last is not None
    assert (last.refused, len(last.unknown)) == (None, 1)
    assert len(await bot.app[keys.DISCOVERIES].all()) == 11


async def test_what_a_source_said_is_not_forgotten_while_it_cannot_be_read(
    watched: tuple[Bot, Watch],
) -> None:
    bot, watch = watched
    await look(watch, listing(*range(1, 11)))
    await look(watch, listing(*range(1, 11), outcome=AWAY, devel="missing", source="livepatch"))

    seen = await bot.app[keys.DISCOVERIES].all()
    assert {discovery.sources for discovery in seen} == {("core", "livepatch")}
    assert all(discovery.buildable for discovery in seen)
    assert await look(watch, listing(1)) == []
    last = await watch.last()
    assert last is not None
    assert last.refused is not None


@pytest.mark.parametrize("action", [Action.PROPOSE])
async def test_what_is_new_can_be_proposed(watched: tuple[Bot, Watch], github: Sandbox) -> None:
    _, watch = watched
    await look(watch, listing(1))
    assert github.pulls == [], "what was there before the first look is not new"
    await look(watch, listing(1, 2))
    await look(watch, listing(1, 2))

    (pull,) = github.pulls
    assert pull.head_ref == "add-kernel/amazonlinux/x86_64/6-12-2-80-100-amzn2023-x86_64"
    (entry,) = kernels_listed(github, pull.head_ref)
    assert entry["kernelrelease"] == kernel(2).release


@pytest.mark.parametrize("action", [Action.PROPOSE])
async def test_a_first_look_that_could_not_read_core_makes_nothing_new(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    _, watch = watched
    await look(watch, listing(1, outcome=AWAY, devel="missing", source="livepatch"))
    await look(watch, listing(1, 2, 3))

    assert github.pulls == []


@pytest.mark.parametrize("action", [Action.BUILD])
async def test_a_kernel_waits_for_the_first_driver_version_that_is_asked_for(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    bot, watch = watched
    await look(watch, listing(1))
    await look(watch, listing(1, 2))
    assert github.runs == []

    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    await look(watch, listing(1, 2))

    assert github.runs[-1].inputs["kernel_version"] == kernel(2).release


@pytest.mark.parametrize("action", [Action.PROPOSE])
async def test_many_new_kernels_are_proposed_a_few_at_a_time(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    _, watch = watched
    await look(watch, listing(1))
    await look(watch, listing(*range(1, 7)))
    assert len(github.pulls) == 2

    await look(watch, listing(*range(1, 7)))
    await look(watch, listing(*range(1, 7)))
    assert len(github.pulls) == 5


@pytest.mark.parametrize("action", [Action.PROPOSE])
async def test_a_proposed_branch_follows_the_list_too(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    _, watch = watched
    await look(watch, listing(1))
    await look(watch, listing(1, 2, 3))
    first, second = github.pulls

    await github.merge_pull(first.number)

    await eventually(lambda: is_one_commit_above_main(github, second.head_ref))


@pytest.mark.parametrize("action", [Action.PROPOSE, Action.BUILD])
async def test_a_kernel_without_headers_is_only_reported(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    _, watch = watched
    await look(watch, listing(1))

    assert await look(watch, listing(2, devel="missing")) == []
    assert await look(watch, listing(1, 2, devel="missing")) == ["6.12.2"]
    assert (github.pulls, github.runs) == ([], [])


@pytest.mark.parametrize("action", [Action.BUILD])
async def test_what_is_new_can_be_built_for_the_newest_version_that_was_asked_for(
    watched: tuple[Bot, Watch], github: Sandbox
) -> None:
    bot, watch = watched
    for version in ("v0.9.0", "v0.10.0"):
        _, asked = await bot.ask(driver_version=version)
        await bot.finished(asked["build_id"])
    await look(watch, listing(1))

    await look(watch, listing(1, 2))
    await bot.settled()

    assert [run.inputs["driver_version"] for run in github.runs] == ["v0.9.0", "v0.10.0", "v0.10.0"]
    assert github.runs[-1].inputs["kernel_version"] == kernel(2).release
