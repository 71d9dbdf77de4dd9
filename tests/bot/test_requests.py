"""What the bot sends is what GitHub's own description of its API allows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from githubkit_schemas.v2022_11_28 import models

from kmodbot.bot.github.transport import Transport
from kmodbot.sandbox import Fault
from tests.bot.conftest import eventually, git, is_one_commit_above_main, running_bot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

BODIES: dict[str, type[BaseModel]] = {
    "POST /app/installations/N/access_tokens": (
        models.AppInstallationsInstallationIdAccessTokensPostBody
    ),
    "POST /actions/workflows/driver-build.yml/dispatches": (
        models.ReposOwnerRepoActionsWorkflowsWorkflowIdDispatchesPostBody
    ),
    "PUT /contents/.github/kernels.json": models.ReposOwnerRepoContentsPathPutBody,
    "POST /git/trees": models.ReposOwnerRepoGitTreesPostBody,
    "POST /git/commits": models.ReposOwnerRepoGitCommitsPostBody,
    "POST /git/refs": models.ReposOwnerRepoGitRefsPostBody,
    "PATCH /git/refs/heads/BRANCH": models.ReposOwnerRepoGitRefsRefPatchBody,
    "POST /pulls": models.ReposOwnerRepoPullsPostBody,
}


async def test_a_github_that_does_not_tell_runs_is_asked_for_them_once(
    bot: Bot, sent: list[tuple[str, Mapping[str, str], bytes]]
) -> None:
    bot.github.run_details = "refused"
    for number in (37, 38, 39):
        status, _ = await bot.ask(kernel_version=f"6.1.0-{number}-amd64")
        assert status == 202
    await eventually(lambda: len(bot.github.runs) == 3)

    wishes = [b"return_run_details" in body for what, _, body in sent if "dispatches" in what]
    assert wishes == [True, False, False, False]


async def test_what_github_says_of_a_refusal_is_for_the_operator(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    await bot.settled()
    bot.github.faults.add(Fault(method="POST", path="/dispatches", kind="status", status=403))
    status, _ = await bot.ask()
    assert status == 503
    (refusal,) = [line for line in caplog.messages if "GitHub refused: 403" in line]
    words = refusal.partition("403: ")[2]

    _, body = await bot.ask()
    assert "refused to start driver-build.yml (403)" in body["error"]["message"]
    assert words
    assert words not in body["error"]["message"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, str], bytes]]:
    """Collect every request of the bot to GitHub: what it is, its headers and its body."""
    requests: list[tuple[str, Mapping[str, str], bytes]] = []
    send = Transport._request

    async def collect(
        self: Transport, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Any:
        requests.append((kind(method, url), headers, body))
        return await send(self, method, url, headers, body)

    monkeypatch.setattr(Transport, "_request", collect)
    return requests


def kind(method: str, url: str) -> str:
    path = re.sub(r"^.*/api/v3(/repos/acme/hello-driver)?|[?].*$", "", url)
    path = re.sub(r"heads/add-kernel/.+$", "heads/BRANCH", path)
    return f"{method} {re.sub('/[0-9]+', '/N', path)}"


async def test_every_body_has_the_form_that_github_describes(
    settings: Settings,
    github: Sandbox,
    sent: list[tuple[str, Mapping[str, str], bytes]],
) -> None:
    async with running_bot(settings, github) as bot:
        for release in ("6.1.0-38-amd64", "6.1.0-39-amd64"):
            _, asked = await bot.ask(kernel_version=release)
            await bot.finished(asked["build_id"])
        # Merging the first makes the bot move the branch of the second, and the second delete it.
        for pull in list(github.pulls):
            await github.merge_pull(pull.number)
            await eventually(lambda: branches_are_current(github))

    bodies = [(name, json.loads(body)) for name, _, body in sent if body]
    assert {name for name, _ in bodies} == set(BODIES)
    for name, body in bodies:
        # Members that the description does not have are lost on the way through the model.
        model = BODIES[name].model_validate(body)
        assert model.model_dump(by_alias=True, exclude_unset=True) == body


def branches_are_current(github: Sandbox) -> bool:
    """Tell whether the bot has followed a merge: moved the open branches, removed the merged."""
    left = git(github, "branch", "--list", "add-kernel/*", "--format=%(refname:short)").split()
    open_branches = [pull.head_ref for pull in github.pulls if pull.state == "open"]
    return left == open_branches and all(is_one_commit_above_main(github, b) for b in left)


async def test_every_request_names_its_version_and_token(
    settings: Settings,
    github: Sandbox,
    sent: list[tuple[str, Mapping[str, str], bytes]],
) -> None:
    async with running_bot(settings, github) as bot:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])

    for _, headers, _ in sent:
        assert headers["x-github-api-version"] == "2022-11-28"
        assert headers["user-agent"] == "kmodbot"
        assert re.match("(token|bearer) .", headers["authorization"])
