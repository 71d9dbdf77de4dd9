"""Payloads that GitHub really sent are understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmodbot.bot.events import RunChanged, parse_event
from kmodbot.bot.github.runs import WorkflowRun
from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "webhooks" / "github.json"
EXAMPLES: list[dict[str, Any]] = json.loads(DATA.read_text())
RUNS = [example["payload"] for example in EXAMPLES if example["event"] == "workflow_run"]


def of(repository: str, run: dict[str, Any] | None = None) -> Settings:
    path = (run or {}).get("path") or ".github/workflows/driver-build.yml"
    return Settings("1", Secret("key"), (), repository, "hello", workflow=Path(path).name)


@pytest.mark.parametrize("payload", RUNS, ids=lambda payload: payload["action"])
def test_a_run_is_recognised(payload: dict[str, Any]) -> None:
    repository = payload["repository"]["full_name"]
    default_branch = payload["repository"]["default_branch"]
    run = payload["workflow_run"] | {"event": "workflow_dispatch", "head_branch": default_branch}
    payload = payload | {"workflow_run": run}

    event = parse_event("workflow_run", json.dumps(payload).encode(), of(repository, run))

    title = run.get("display_title") or ""
    assert event == RunChanged(
        run["id"], payload["action"], run.get("run_attempt", 1), run["conclusion"], title
    )
    assert WorkflowRun.from_json(run).id == run["id"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["event"])
def test_what_is_of_another_repository_is_ignored(example: dict[str, Any]) -> None:
    body = json.dumps(example["payload"]).encode()

    assert parse_event(example["event"], body, of("acme/hello-driver")) is None


def test_a_push_of_other_files_is_ignored() -> None:
    pushes = [example["payload"] for example in EXAMPLES if example["event"] == "push"]
    assert pushes

    for payload in pushes:
        repository = payload["repository"]["full_name"]
        commits = payload["commits"]
        if commits:
            assert parse_event("push", json.dumps(payload).encode(), of(repository)) is None
