"""Release assets: bytes really kept, under the name GitHub keeps."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from githubkit_schemas.v2022_11_28.models import ReleaseAsset
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.kernels import asset_name
from kmodbot.sandbox.asset_names import kept_name

from .support import HELLO, Client, got, mint, refused

if TYPE_CHECKING:
    from githubkit_schemas.v2022_11_28.models import Release

    from kmodbot.sandbox import Sandbox

TAG = "v0.1.0-debian-12-x86_64"
PACKAGE = "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"


@pytest.fixture
async def release(bot: Client) -> Release:
    return await got(bot.repos.async_create_release(*HELLO, tag_name=TAG))


async def upload(
    bot: Client, release: Release, name: str, data: bytes = b"package", label: str | None = None
) -> ReleaseAsset:
    url, _, template = release.upload_url.partition("{")
    assert template == "?name,label}"
    response = await bot.request(
        "POST",
        url,
        params={"name": name} | ({"label": label} if label else {}),
        content=data,
        headers={"Content-Type": "application/vnd.debian.binary-package"},
        response_model=ReleaseAsset,
    )
    assert response.status_code == 201
    return response.parsed_data


async def download(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


async def test_what_was_uploaded_is_downloaded_by_anybody(bot: Client, release: Release) -> None:
    data = b"\x00bytes"
    asset = await upload(bot, release, PACKAGE, data)
    assert asset.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (asset.state, asset.size, asset.download_count) == ("uploaded", 6, 0)
    assert await download(asset.browser_download_url) == (200, data)
    shown = await got(bot.repos.async_get_release_asset(*HELLO, asset.id))
    assert shown.download_count == 1


async def test_a_plus_in_a_name_survives_the_public_address(bot: Client, release: Release) -> None:
    asset = await upload(bot, release, "hello_6.1+deb12.deb")
    assert asset.browser_download_url.endswith(f"/releases/download/{TAG}/hello_6.1%2Bdeb12.deb")
    assert (await download(asset.browser_download_url))[0] == 200


async def test_an_asset_is_downloaded_through_the_api_too(bot: Client, release: Release) -> None:
    asset = await upload(bot, release, PACKAGE)
    headers = {"Accept": "application/octet-stream"}
    response = await bot.request("GET", asset.url, headers=headers)
    assert response.content == b"package"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("6.1.0-28~bpo12+1.deb", "6.1.0-28.bpo12+1.deb"),
        ("a b (c).rpm", "a.b.c.rpm"),
        (".hidden", "default.hidden"),
        ("épée.deb", "epee.deb"),
        ("a..b.", "a.b"),
        ("a^b:c%d", "a.b.c.d"),
    ],
)
async def test_an_asset_is_renamed_silently(
    bot: Client, release: Release, name: str, kept: str
) -> None:
    assert (await upload(bot, release, name)).name == kept


@given(st.text(st.characters(codec="ascii") | st.sampled_from("éüñÅçŠ日ß"), max_size=80))
def test_the_predicted_name_is_the_kept_name(name: str) -> None:
    assert asset_name(name) == kept_name(name)


async def test_a_second_asset_of_a_name_is_refused(bot: Client, release: Release) -> None:
    await upload(bot, release, "a~b")
    refusal = await refused(upload(bot, release, "a^b"))
    assert refusal.status == 422
    assert refusal.errors == [
        {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
    ]


async def test_an_empty_asset_is_refused(bot: Client, release: Release) -> None:
    assert (await refused(upload(bot, release, PACKAGE, b""))).status == 400


async def test_an_asset_without_name_is_refused(bot: Client, release: Release) -> None:
    assert (await refused(upload(bot, release, ""))).status == 422


async def test_an_asset_needs_a_release(bot: Client, release: Release) -> None:
    missing = replace_url(release, "1")
    assert (await refused(upload(bot, missing, PACKAGE))).status == 404


async def test_a_release_holds_a_thousand_assets(
    bot: Client, release: Release, github: Sandbox
) -> None:
    first = await upload(bot, release, PACKAGE, label="the package")
    assert first.label == "the package"
    (record,) = github.releases[0].assets
    github.releases[0].assets += [replace(record, id=n, name=f"{n}") for n in range(999)]
    refusal = await refused(upload(bot, release, "one more"))
    assert refusal.status == 422
    assert refusal.errors[0]["field"] == "file_count"
    whole = await got(bot.repos.async_get_release_by_tag(*HELLO, TAG))
    assert len(whole.assets) == 1000
    page = await got(bot.repos.async_list_release_assets(*HELLO, release.id, per_page=100, page=10))
    assert len(page) == 100


async def test_a_deleted_asset_is_gone(bot: Client, release: Release) -> None:
    asset = await upload(bot, release, PACKAGE)
    await bot.repos.async_delete_release_asset(*HELLO, asset.id)
    assert (await download(asset.browser_download_url))[0] == 404
    assert (await refused(bot.repos.async_get_release_asset(*HELLO, asset.id))).status == 404
    await upload(bot, release, PACKAGE)


async def test_the_assets_of_a_draft_cannot_be_downloaded(bot: Client, nobody: Client) -> None:
    draft = await got(bot.repos.async_create_release(*HELLO, tag_name=TAG, draft=True))
    asset = await upload(bot, draft, PACKAGE)
    assert (await download(asset.browser_download_url))[0] == 404
    assert (await refused(nobody.repos.async_get_release_asset(*HELLO, asset.id))).status == 404
    await bot.repos.async_update_release(*HELLO, draft.id, draft=False)
    assert (await download(asset.browser_download_url))[0] == 200


async def test_a_broken_upload_is_in_the_way_until_it_is_deleted(
    bot: Client, release: Release, github: Sandbox
) -> None:
    asset = await upload(bot, release, PACKAGE)
    github.releases[0].assets[0].state = "starter"
    assert (await download(asset.browser_download_url))[0] == 404
    assert (await refused(upload(bot, release, PACKAGE))).status == 422
    await bot.repos.async_delete_release_asset(*HELLO, asset.id)
    await upload(bot, release, PACKAGE)


async def test_uploading_needs_to_write_contents(github: Sandbox, release: Release) -> None:
    reader = Client(github, await mint(github, contents="read"))
    refusal = await refused(upload(reader, release, PACKAGE))
    assert refusal.headers["X-Accepted-GitHub-Permissions"] == "contents=write"


async def test_what_was_never_uploaded_is_not_found(github: Sandbox) -> None:
    url = f"{github.server_url}/acme/hello-driver/releases/download/{TAG}/{PACKAGE}"
    assert (await download(url))[0] == 404


def replace_url(release: Release, number: str) -> Release:
    url = release.upload_url.replace(str(release.id), number)
    return release.model_copy(update={"upload_url": url})
