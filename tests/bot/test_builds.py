"""A node asks, and gets its driver: the bot against a GitHub on localhost."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

from tests.bot.conftest import (
    DEBIAN,
    eventually,
    running_bot,
)

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Call, Sandbox
    from tests.bot.conftest import Bot


async def test_a_new_kernel_is_built_once_and_then_exists(bot: Bot, github: Sandbox) -> None:
    status, first = await bot.ask()
    assert (status, first["message"]) == (202, "workflow dispatched")

    ended = await bot.finished(first["build_id"])
    assert ended["status"] == "done"
    assert ended["package"] == "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"
    assert ended["kernel"] == {
        key: DEBIAN[key]
        for key in ("kernel_version", "architecture", "distribution", "distro_version")
    }

    status, second = await bot.ask()
    assert status == 200
    assert second == {
        "message": "package exists",
        **{key: ended[key] for key in ("status", "package", "url", "sha256")},
    }
    assert len(github.runs) == 1


async def test_the_package_can_be_fetched_from_the_address_in_the_answer(bot: Bot) -> None:
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])

    async with bot.client.session.get(ended["url"]) as download:
        assert await download.text() == ended["package"]


async def test_many_nodes_on_one_new_kernel_cause_one_run(bot: Bot, github: Sandbox) -> None:
    github.hold_runs()
    answers = await asyncio.gather(*(bot.ask() for _ in range(50)))

    assert [status for status, _ in answers] == [202] * 50
    assert sorted(body["message"] for _, body in answers) == ["build in progress"] * 49 + [
        "workflow dispatched"
    ]
    (build_id,) = {body["build_id"] for _, body in answers}
    github.release_runs()
    assert (await bot.finished(build_id))["status"] == "done"
    assert (len(github.runs), len(github.pulls)) == (1, 1)


async def test_a_known_package_costs_github_nothing(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    before = len(github.calls)

    answers = await asyncio.gather(*(bot.ask() for _ in range(50)))

    assert [status for status, _ in answers] == [200] * 50
    assert len(github.calls) == before


async def test_the_run_gets_the_build_as_its_inputs(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    (run,) = github.runs
    assert run.inputs == DEBIAN | {"build_id": asked["build_id"]}
    assert run.title == f"kmodbot {asked['build_id']} v0.1.0 debian 12 x86_64 6.1.0-38-amd64"
    assert run.head_branch == "main"


async def test_fifty_new_kernels_at_once_are_accepted_at_once_and_started_one_by_one(
    settings: Settings, github: Sandbox
) -> None:
    dispatches: list[float] = []

    async def take_the_time(call: Call, moment: str) -> None:
        if moment == "received" and call.path.endswith("/dispatches"):
            dispatches.append(time.monotonic())

    github.hold_runs()
    github.observe(take_the_time)
    paced = dataclasses.replace(settings, write_seconds=0.02)
    async with running_bot(paced, github) as bot:
        answers = await asyncio.gather(
            *(bot.ask(kernel_version=f"6.1.0-{number}-amd64") for number in range(1, 51))
        )
        assert [status for status, _ in answers] == [202] * 50
        await eventually(lambda: len(github.runs) == 50)

    assert len({run.title for run in github.runs}) == 50
    pauses = [after - before for before, after in itertools.pairwise(dispatches)]
    assert min(pauses) >= 0.02


async def test_a_package_that_vanished_is_built_again(settings: Settings, github: Sandbox) -> None:
    forgetful = dataclasses.replace(settings, index_seconds=1e-9)
    async with running_bot(forgetful, github) as bot:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        github.releases[0].assets.clear()

        status, again = await bot.ask()

        assert (status, again["message"]) == (202, "workflow dispatched")
        assert again["build_id"] != asked["build_id"]
        await bot.finished(again["build_id"])
