"""What the bot sends is what GitHub's own description of its API allows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from githubkit_schemas.v2022_11_28 import models

from kmodbot.bot.github.transport import Transport
from tests.bot.conftest import eventually, git, is_one_commit_above_main, running_bot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox

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
