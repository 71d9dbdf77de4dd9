"""What is built is proposed in pull requests, each of one commit and always up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bot.conftest import (
    eventually,
    git,
    is_one_commit_above_main,
    kernels_listed,
)

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


async def test_the_kernel_is_proposed_in_a_pull_request_of_one_commit(
    bot: Bot, github: Sandbox
) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    (pull,) = github.pulls
    assert (pull.head_ref, pull.base_ref, pull.state) == (BRANCH, "main", "open")
    assert is_one_commit_above_main(github, BRANCH)
    assert kernels_listed(github, BRANCH) == [
        {"target": "debian", "kernelrelease": "6.1.0-38-amd64", "distroversion": "12"}
    ]


async def test_a_merged_kernel_is_not_proposed_again(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    await github.merge_pull(github.pulls[0].number)
    await bot.settled()

    _, next_version = await bot.ask(driver_version="v0.2.0")
    ended = await bot.finished(next_version["build_id"])
    await bot.reconcile()

    assert ended["status"] == "done"
    assert len(github.pulls) == 1


async def test_two_distro_versions_of_one_release_share_a_pull_request(
    bot: Bot, github: Sandbox
) -> None:
    ubuntu = {"distribution": "ubuntu", "kernel_version": "6.8.0-79-generic"}
    for version in ("24.04", "22.04"):
        _, asked = await bot.ask(**ubuntu, distro_version=version)
        await bot.finished(asked["build_id"])

    (pull,) = github.pulls
    entries = kernels_listed(github, pull.head_ref)
    assert [entry["distroversion"] for entry in entries] == ["22.04", "24.04"]


async def test_an_open_branch_follows_the_list_it_adds_to(bot: Bot, github: Sandbox) -> None:
    for release in ("6.1.0-38-amd64", "6.1.0-39-amd64"):
        _, asked = await bot.ask(kernel_version=release)
        await bot.finished(asked["build_id"])
    first, second = github.pulls

    await github.merge_pull(first.number)
    await eventually(lambda: is_one_commit_above_main(github, second.head_ref))
    await github.merge_pull(second.number)
    await eventually(lambda: not git(github, "branch", "--list", "add-kernel/*"))

    assert len(kernels_listed(github)) == 2
