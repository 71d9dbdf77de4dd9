"""Several bots that write the same branch at the same time."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.build import Build, Package, Phase
from kmodbot.bot.proposals import BRANCHES
from kmodbot.bot.store.leases import Leases
from tests.bot.conftest import (
    DEBIAN,
    eventually,
    git,
    is_one_commit_above_main,
    kernels_listed,
    on_both_stores,
    running_bot,
    target_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Call, Sandbox
    from tests.bot.conftest import Bot

# Canonical gives both distro versions this kernel.
UBUNTU = DEBIAN | {"distribution": "ubuntu", "kernel_version": "6.8.0-79-generic"}
BRANCH = "add-kernel/ubuntu/x86_64/6-8-0-79-generic"


def proposals_of(bot: Bot) -> Proposals:
    return bot.app[keys.WORKERS]._proposals


async def complete(bot: Bot, distro_version: str, release: str = UBUNTU["kernel_version"]) -> str:
    """Let a build be done that nobody has proposed yet; return its id."""
    target = target_of(UBUNTU | {"distro_version": distro_version, "kernel_version": release})
    package = Package(target.package, "https://x.example", "0" * 64)
    build = Build(uuid.uuid4().hex, target, Phase.DONE, datetime.now(UTC), package=package)
    await bot.app[keys.BUILDS].adopt(build)
    return build.id


async def propose(bot: Bot, build_id: str) -> None:
    build = await bot.app[keys.BUILDS].get(build_id)
    assert build is not None
    await proposals_of(bot).propose(build)


async def push_a_kernel(bot: Bot, release: str = "6.1.0-1-amd64") -> None:
    """Change kernels.json of the default branch, as a maintainer does."""
    sha = git(bot.github, "rev-parse", "main:.github/kernels.json")
    listed = {"target": "debian", "kernelrelease": release, "distroversion": "12"}
    document = json.dumps({"x86_64": [listed]}).encode()
    body = {"message": "Add", "content": base64.b64encode(document).decode(), "sha": sha}
    url = f"{bot.github.api_url}/repos/acme/hello-driver/contents/.github/kernels.json"
    headers = {"Authorization": f"Bearer {bot.github.maintainer_token}"}
    async with bot.client.session.put(url, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


def in_the_middle_of(
    github: Sandbox, method: str, path: str, interrupt: Callable[[], Awaitable[None]]
) -> None:
    """Call ``interrupt`` once, when GitHub has got a call but has not done anything yet."""
    left = [interrupt]

    async def observe(call: Call, moment: str) -> None:
        if moment == "received" and (call.method, call.path) == (method, path) and left:
            await left.pop()()

    github.observe(observe)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of leases that were not to be had, as they are asked for."""
    names: list[str] = []
    take = Leases.take

    async def noted(self: Leases, name: str, *arguments: object) -> bool:
        is_taken = await take(self, name, *arguments)  # type: ignore[arg-type]
        if not is_taken:
            names.append(name)
        return is_taken

    monkeypatch.setattr(Leases, "take", noted)
    return names


@on_both_stores
async def test_two_distro_versions_that_are_proposed_at_once_are_both_listed(
    settings: Settings, github: Sandbox, refused: list[str]
) -> None:
    async with running_bot(settings, github) as one, running_bot(settings, github) as other:
        github.webhook_url = None
        older = await complete(one, "22.04")
        meanwhile: list[asyncio.Task[None]] = []

        async def complete_the_newer() -> None:
            # The first bot has read the builds already, so it does not know of this one.
            newer = await complete(other, "24.04")
            meanwhile.append(asyncio.create_task(propose(other, newer)))
            await eventually(lambda: meanwhile[0].done() or BRANCHES in refused)

        in_the_middle_of(github, "POST", "/repos/acme/hello-driver/git/refs", complete_the_newer)
        await propose(one, older)
        await asyncio.gather(*meanwhile)

    entries = kernels_listed(github, BRANCH)
    assert [entry["distroversion"] for entry in entries] == ["22.04", "24.04"]
    assert [pull.head_ref for pull in github.pulls] == [BRANCH]


@on_both_stores
async def test_a_proposal_while_another_bot_regenerates_the_branch_is_not_lost(
    settings: Settings, github: Sandbox, refused: list[str]
) -> None:
    async with running_bot(settings, github) as one, running_bot(settings, github) as other:
        github.webhook_url = None
        await propose(one, await complete(one, "22.04"))
        await push_a_kernel(one)
        meanwhile: list[asyncio.Task[None]] = []

        async def complete_the_newer() -> None:
            newer = await complete(other, "24.04")
            meanwhile.append(asyncio.create_task(propose(other, newer)))
            await eventually(lambda: meanwhile[0].done() or BRANCHES in refused)

        in_the_middle_of(github, "POST", "/repos/acme/hello-driver/git/trees", complete_the_newer)
        await proposals_of(one).regenerate()
        await asyncio.gather(*meanwhile)

    ubuntu = [each for each in kernels_listed(github, BRANCH) if each["target"] == "ubuntu"]
    assert [entry["distroversion"] for entry in ubuntu] == ["22.04", "24.04"]
    assert is_one_commit_above_main(github, BRANCH)


async def test_a_push_while_branches_are_regenerated_counts_for_those_still_to_come(
    settings: Settings, github: Sandbox
) -> None:
    async with running_bot(settings, github) as bot:
        github.webhook_url = None
        for release in ("6.8.0-79-generic", "6.8.0-80-generic"):
            await propose(bot, await complete(bot, "22.04", release))
        await push_a_kernel(bot)

        async def push_another() -> None:
            await push_a_kernel(bot, "6.1.0-2-amd64")

        in_the_middle_of(github, "POST", "/repos/acme/hello-driver/git/trees", push_another)
        await proposals_of(bot).regenerate()

    assert is_one_commit_above_main(github, "add-kernel/ubuntu/x86_64/6-8-0-80-generic")


@on_both_stores
async def test_a_bot_that_died_while_it_wrote_a_branch_blocks_it_for_a_moment(
    settings: Settings, github: Sandbox
) -> None:
    async with running_bot(settings, github) as bot:
        github.webhook_url = None
        leases = Leases(bot.app[keys.DATABASE])
        now = await leases.now()
        assert await leases.take(BRANCHES, "dead", now, now + timedelta(seconds=0.3))

        async with asyncio.timeout(20):
            await propose(bot, await complete(bot, "22.04"))

        assert await leases.now() >= now + timedelta(seconds=0.3)
        assert len(github.pulls) == 1


async def test_many_proposals_of_two_bots_do_not_wait_for_each_other_for_ever(
    settings: Settings, github: Sandbox
) -> None:
    brisk = dataclasses.replace(settings, write_seconds=0.001)
    async with running_bot(brisk, github) as one, running_bot(brisk, github) as other:
        github.webhook_url = None
        first, second = await complete(one, "22.04"), await complete(one, "24.04")

        async with asyncio.timeout(30):
            await asyncio.gather(
                *(propose(bot, each) for bot in (one, other) for each in (first, second)),
                *(proposals_of(bot).regenerate() for bot in (one, other)),
            )

    assert len(kernels_listed(github, BRANCH)) == 2
    assert len(github.pulls) == 1


async def test_one_of_several_bots_looks_whether_a_push_was_missed(
    settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_bot(settings, github) as one, running_bot(settings, github) as other:
        await propose(one, await complete(one, "22.04"))
        await one.settled()
        monkeypatch.setattr("kmodbot.bot.workers._SECONDS_BETWEEN_REGENERATIONS", 0.01)
        turns = other.app[keys.WORKERS]._reconciler.turns
        before = one.calls("GET", "/git/matching-refs/heads/add-kernel/")

        async with turns.turn("regeneration", every=0):
            await one.app[keys.WORKERS]._regenerate_branches()
        assert one.calls("GET", "/git/matching-refs/heads/add-kernel/") == before

        await one.app[keys.WORKERS]._regenerate_branches()
        assert one.calls("GET", "/git/matching-refs/heads/add-kernel/") == before + 1
