from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from kmodbot.bot.build import Build, Phase
from kmodbot.bot.github.runs import WorkflowRun
from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings
from kmodbot.bot.trust import distrust, is_titled_for
from tests.bot.conftest import DEBIAN, target_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = Settings("1", Secret("key"), (), "acme/hello-driver", "hello")
BUILD = Build("b1b1", target_of(DEBIAN), Phase.QUEUED, NOW)
RUN = WorkflowRun(
    id=7,
    title="kmodbot b1b1 v0.1.0 debian 12 x86_64 6.1.0-38-amd64",
    path=".github/workflows/driver-build.yml",
    event="workflow_dispatch",
    head_branch="main",
    repository="acme/hello-driver",
    head_repository="acme/hello-driver",
    status="completed",
    conclusion="success",
    url="https://github.example/runs/7",
    updated_at=NOW,
    created_at=NOW,
    started_at=NOW,
)


def test_a_dispatched_run_of_the_build_workflow_on_the_default_branch_is_believed() -> None:
    assert distrust(RUN, SETTINGS, "main") is None


def test_the_case_of_a_repository_name_does_not_matter() -> None:
    settings = dataclasses.replace(SETTINGS, repository="Acme/Hello-Driver")

    assert distrust(RUN, settings, "main") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"repository": "acme/other"}, "it belongs to acme/other"),
        ({"head_repository": "mallory/hello-driver"}, "its code is of mallory/hello-driver"),
        ({"path": ".github/workflows/other.yml"}, "it is of workflow .github/workflows/other.yml"),
        ({"event": "pull_request"}, "it was started by pull_request"),
        ({"head_branch": "evil"}, "it ran on branch evil"),
        ({"repository": ""}, "it belongs to "),
    ],
)
def test_every_other_run_is_not_and_the_reason_is_told(change: dict[str, str], reason: str) -> None:
    assert distrust(dataclasses.replace(RUN, **change), SETTINGS, "main") == reason  # type: ignore[arg-type]


def test_a_title_names_exactly_one_build() -> None:
    assert is_titled_for(RUN, BUILD)


@pytest.mark.parametrize(
    "title",
    [
        "",
        "kmodbot b2b2 v0.1.0 debian 12 x86_64 6.1.0-38-amd64",
        "kmodbot b1b1 v0.2.0 debian 12 x86_64 6.1.0-38-amd64",
        "kmodbot b1b1 v0.1.0 debian 12 x86_64 6.1.0-39-amd64",
        "kmodbot b1b1 v0.1.0 debian 12 x86_64 6.1.0-38-amd64 ",
        "my kmodbot b1b1 v0.1.0 debian 12 x86_64 6.1.0-38-amd64",
    ],
)
def test_any_other_title_names_another_build_or_none(title: str) -> None:
    assert not is_titled_for(dataclasses.replace(RUN, title=title), BUILD)
