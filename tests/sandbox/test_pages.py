"""The pages that the API calls `html_url`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from .support import HELLO, INPUTS, WORKFLOW, Client, TestRunner, got, push_branch

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox


async def page(url: str, status: int = 200) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == status
        assert response.content_type == "text/plain"
        return await response.text()


async def test_a_run_shows_how_it_stands_its_inputs_and_its_log(
    github: Sandbox, maintainer: Client, runner: TestRunner
) -> None:
    runner.may_finish.clear()
    await maintainer.actions.async_create_workflow_dispatch(
        *HELLO, WORKFLOW, data={"ref": "main", "inputs": INPUTS}
    )
    await runner.begun.wait()
    run = (await got(maintainer.actions.async_list_workflow_runs_for_repo(*HELLO))).workflow_runs[0]
    assert "(no log yet)" in await page(run.html_url)
    runner.started[0].log_file.write_bytes(b"$ make\nerror: \xff\n")
    runner.conclusion = "failure"
    runner.may_finish.set()
    await github.settled()
    text = await page(run.html_url)
    assert text.startswith(f"Run {run.id}: kmodbot manual v0.1.0 by maintainer\n")
    assert "status      completed\nconclusion  failure\n" in text
    assert "kernel_version  6.1.0-38-amd64\n" in text
    assert text.endswith("$ make\nerror: \ufffd\n")


async def test_a_pull_request_shows_what_it_says_and_changes(maintainer: Client) -> None:
    await push_branch(maintainer, "more", "hello.c", "int hello, world;\n")
    pull = await got(
        maintainer.pulls.async_create(
            *HELLO, title="Say more", body="One word.", head="more", base="main"
        )
    )
    text = await page(pull.html_url)
    assert text.startswith("Pull request 1: Say more\n")
    assert "state   open\nbranch  more into main\n" in text
    assert "\n\nOne word.\n\ndiff --git a/hello.c b/hello.c\n" in text
    assert text.endswith("-int hello;\n+int hello, world;\n")
    await maintainer.pulls.async_merge(*HELLO, pull.number)
    merged = await page(pull.html_url)
    assert merged == text.replace("state   open", "state   merged")


async def test_a_release_shows_where_its_assets_are(maintainer: Client) -> None:
    release = await got(maintainer.repos.async_create_release(*HELLO, tag_name="v1", body="First"))
    url = release.upload_url.partition("{")[0]
    await maintainer.request("POST", f"{url}?name=a.deb", content=b"bytes")
    text = await page(release.html_url)
    assert text.startswith("Release v1\n\ntag         v1\n")
    assert "\n\nFirst\n\n" in text
    assert "/acme/hello-driver/releases/download/v1/a.deb\n  5 bytes, sha256:" in text


async def test_a_draft_has_no_page(maintainer: Client) -> None:
    draft = await got(maintainer.repos.async_create_release(*HELLO, tag_name="v1", draft=True))
    await page(draft.html_url, 404)
    await page(draft.html_url.replace(f"untagged-{draft.id}", "v1"), 404)


@pytest.mark.parametrize("path", ["pull/1", "actions/runs/1", "releases/tag/v1"])
async def test_what_is_not_there_has_no_page(github: Sandbox, path: str) -> None:
    await page(f"{github.server_url}/acme/hello-driver/{path}", 404)


async def test_another_repository_has_no_pages(github: Sandbox, maintainer: Client) -> None:
    release = await got(maintainer.repos.async_create_release(*HELLO, tag_name="v1"))
    await page(release.html_url)
    await page(release.html_url.replace("hello-driver", "other-driver"), 404)
