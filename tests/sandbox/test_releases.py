"""Releases: published or drafted, with or without being the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .support import HELLO, Client, got, head_of, push_branch, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

TAG = "v0.1.0-debian-12-x86_64"


async def test_a_release_makes_its_tag(bot: Client) -> None:
    release = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, body="text"))
    assert release.published_at is not None
    assert (release.draft, release.author.login) == (False, "kmodbot[bot]")
    tag = await got(bot.git.async_get_ref(*HELLO, f"tags/{TAG}"))
    assert tag.object_.sha == await head_of(bot)


async def test_a_release_makes_its_tag_at_its_target(bot: Client) -> None:
    sha = await push_branch(bot, "topic", "a", "a")
    await bot.repos.async_create_release(*HELLO, tag_name=TAG, target_commitish="topic")
    assert (await got(bot.git.async_get_ref(*HELLO, f"tags/{TAG}"))).object_.sha == sha


async def test_a_release_keeps_a_tag_that_exists(bot: Client) -> None:
    before = await got(bot.git.async_get_ref(*HELLO, "tags/v0.1.0"))
    await push_branch(bot, "topic", "a", "a")
    await bot.repos.async_create_release(*HELLO, tag_name="v0.1.0", target_commitish="topic")
    after = await got(bot.git.async_get_ref(*HELLO, "tags/v0.1.0"))
    assert before.object_.sha == after.object_.sha


async def test_a_release_is_found_by_tag_and_by_id(bot: Client) -> None:
    made = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG))
    assert (await got(bot.repos.async_get_release_by_tag(*HELLO, TAG))).id == made.id
    assert (await got(bot.repos.async_get_release(*HELLO, made.id))).tag_name == TAG
    assert (await refused(bot.repos.async_get_release_by_tag(*HELLO, "v9"))).status == 404
    assert (await refused(bot.repos.async_get_release(*HELLO, 1))).status == 404


async def test_a_second_release_of_a_tag_is_refused(bot: Client) -> None:
    await bot.repos.async_create_release(*HELLO, tag_name=TAG)
    refusal = await refused(bot.repos.async_create_release(*HELLO, tag_name=TAG))
    assert refusal.errors == [
        {"resource": "Release", "code": "already_exists", "field": "tag_name"}
    ]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"tag_name": "a..b"}, "tag_name"),
        ({"tag_name": ""}, "tag_name"),
        ({"tag_name": TAG, "target_commitish": "gone"}, "target_commitish"),
    ],
)
async def test_a_release_of_nothing_is_refused(
    bot: Client, members: dict[str, Any], field: str
) -> None:
    refusal = await refused(bot.repos.async_create_release(*HELLO, **members))
    assert refusal.errors == [{"resource": "Release", "code": "invalid", "field": field}]


async def test_a_release_that_is_not_to_be_the_latest_is_not(bot: Client) -> None:
    assert (await refused(bot.repos.async_get_latest_release(*HELLO))).status == 404
    await bot.repos.async_create_release(*HELLO, tag_name="v0.1.0")
    await bot.repos.async_create_release(*HELLO, tag_name=TAG, make_latest="false")
    await bot.repos.async_create_release(*HELLO, tag_name="v0.2.0-rc.1", prerelease=True)
    assert (await got(bot.repos.async_get_latest_release(*HELLO))).tag_name == "v0.1.0"


async def test_make_latest_is_one_of_three_words(bot: Client) -> None:
    url = "/repos/acme/hello-driver/releases"
    body = {"tag_name": TAG, "make_latest": "maybe"}
    assert (await refused(bot.request("POST", url, json=body))).status == 422


async def test_a_draft_is_seen_only_by_who_may_change_it(bot: Client, nobody: Client) -> None:
    draft = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, draft=True))
    assert draft.published_at is None
    assert (await refused(bot.git.async_get_ref(*HELLO, f"tags/{TAG}"))).status == 404
    assert (await refused(bot.repos.async_get_release_by_tag(*HELLO, TAG))).status == 404
    assert [r.id for r in await got(bot.repos.async_list_releases(*HELLO))] == [draft.id]
    assert await got(nobody.repos.async_list_releases(*HELLO)) == []
    assert (await refused(nobody.repos.async_get_release(*HELLO, draft.id))).status == 404


async def test_a_draft_is_published_by_an_update(bot: Client) -> None:
    draft = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, draft=True))
    published = await got(bot.repos.async_update_release(*HELLO, draft.id, draft=False))
    assert published.published_at is not None
    assert (await got(bot.repos.async_get_release_by_tag(*HELLO, TAG))).id == draft.id
    await bot.git.async_get_ref(*HELLO, f"tags/{TAG}")


async def test_a_draft_cannot_be_published_beside_another_release(bot: Client) -> None:
    draft = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, draft=True))
    await bot.repos.async_create_release(*HELLO, tag_name=TAG)
    refusal = await refused(bot.repos.async_update_release(*HELLO, draft.id, draft=False))
    assert refusal.errors[0]["code"] == "already_exists"


async def test_an_update_changes_only_what_it_names(bot: Client) -> None:
    made = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, name="n", body="b"))
    changed = await got(bot.repos.async_update_release(*HELLO, made.id, body="c"))
    assert (changed.name, changed.body, changed.draft) == ("n", "c", False)


async def test_releases_are_listed_newest_first_in_pages(bot: Client, github: Sandbox) -> None:
    for number in range(3):
        await bot.repos.async_create_release(*HELLO, tag_name=f"v{number}")
    first = await bot.repos.async_list_releases(*HELLO, per_page=2)
    assert [release.tag_name for release in first.parsed_data] == ["v2", "v1"]
    following = f'<{github.api_url}/repos/acme/hello-driver/releases?per_page=2&page=2>; rel="next"'
    assert following in first.headers["Link"]
    last = await bot.repos.async_list_releases(*HELLO, per_page=2, page=2)
    assert [release.tag_name for release in last.parsed_data] == ["v0"]
