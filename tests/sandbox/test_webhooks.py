"""Webhooks arrive signed, in the shape that GitHub publishes, and say what happened."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from githubkit_schemas.v2022_11_28.webhooks import WebhookNamespace

from kmodbot.sandbox.webhooks import sign

from .support import HELLO, INPUTS, WORKFLOW, Client, commit_file, head_of, push_branch

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

    from .support import Delivered, Receiver


def said(receiver: Receiver) -> list[tuple[str, str | None]]:
    """Return the event and action of everything that arrived, in alphabetical order."""
    pairs = [(d.event, json.loads(d.body).get("action")) for d in receiver.arrived]
    return sorted(pairs, key=str)


def payloads(receiver: Receiver, event: str) -> list[dict[str, Any]]:
    return [json.loads(d.body) for d in receiver.arrived if d.event == event]


def check_schema(delivered: Delivered) -> None:
    """Parse a delivery with the models generated from GitHub's own description."""
    WebhookNamespace.parse(delivered.event, delivered.body)


async def dispatch(bot: Client) -> None:
    await bot.actions.async_create_workflow_dispatch(*HELLO, WORKFLOW, ref="main", inputs=INPUTS)


def test_the_signature_is_that_of_github_s_example() -> None:
    headers = sign("It's a Secret to Everybody", b"Hello, World!")
    assert headers["X-Hub-Signature-256"] == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


async def test_a_delivery_has_github_s_headers(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    await push_branch(bot, "topic", "a", "a")
    await github.settled()
    (delivered,) = receiver.arrived
    headers = delivered.headers
    digest = hmac.new(github.webhook_secret.encode(), delivered.body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert headers["X-Hub-Signature"].startswith("sha1=")
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert headers["Content-Type"] == "application/json"
    assert headers["X-GitHub-Event"] == "push"
    assert headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert headers["X-GitHub-Hook-Installation-Target-ID"] == github.app_id
    assert len(headers["X-GitHub-Delivery"]) == 36
    assert headers["X-GitHub-Hook-ID"].isdecimal()


async def test_a_run_tells_three_times_how_far_it_is(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    await dispatch(bot)
    await github.settled()
    assert said(receiver) == [
        ("workflow_run", "completed"),
        ("workflow_run", "in_progress"),
        ("workflow_run", "requested"),
    ]
    for delivered in receiver.arrived:
        check_schema(delivered)
    last = payloads(receiver, "workflow_run")[-1]
    assert last["workflow_run"]["id"] == github.runs[0].id
    assert last["workflow_run"]["display_title"] == "kmodbot manual v0.1.0 by kmodbot[bot]"
    assert last["workflow_run"]["conclusion"] == "success"
    assert last["workflow"]["path"] == last["workflow_run"]["path"]
    assert last["repository"]["full_name"] == "acme/hello-driver"
    assert last["organization"]["login"] == "acme"
    assert last["installation"]["id"] == 300001
    assert "inputs" not in last["workflow_run"]


async def test_a_rerun_is_completed_again_but_not_requested_again(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    await dispatch(bot)
    await github.settled()
    receiver.arrived.clear()
    await bot.actions.async_re_run_workflow(*HELLO, github.runs[0].id)
    await github.settled()
    assert said(receiver) == [("workflow_run", "completed"), ("workflow_run", "in_progress")]
    attempts = [p["workflow_run"]["run_attempt"] for p in payloads(receiver, "workflow_run")]
    assert attempts == [2, 2]


async def test_the_life_of_a_pull_request_is_told(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    main = await head_of(bot)
    first = await push_branch(bot, "topic", "a", "1")
    await bot.pulls.async_create(*HELLO, title="t", head="topic", base="main")
    second = await commit_file(bot, "a", "2", parent=main)
    await bot.git.async_update_ref(*HELLO, "heads/topic", sha=second, force=True)
    await bot.pulls.async_update(*HELLO, 1, state="closed")
    await bot.pulls.async_update(*HELLO, 1, state="open")
    await github.merge_pull(1)
    await github.settled()
    for delivered in receiver.arrived:
        check_schema(delivered)
    told = {p["action"]: p for p in payloads(receiver, "pull_request")}
    assert set(told) == {"opened", "synchronize", "closed", "reopened"}
    assert (told["synchronize"]["before"], told["synchronize"]["after"]) == (first, second)
    merged = [p for p in payloads(receiver, "pull_request") if p["pull_request"]["merged"]]
    assert [p["sender"]["login"] for p in merged] == ["maintainer"]


async def test_a_push_tells_what_changed(bot: Client, github: Sandbox, receiver: Receiver) -> None:
    main = await head_of(bot)
    first = await push_branch(bot, "topic", "new.txt", "1")
    second = await commit_file(bot, "hello.c", "2", parent=main)
    await bot.git.async_update_ref(*HELLO, "heads/topic", sha=second, force=True)
    await bot.git.async_delete_ref(*HELLO, "heads/topic")
    await github.settled()
    for delivered in receiver.arrived:
        check_schema(delivered)
    pushes = {p["after"]: p for p in payloads(receiver, "push")}
    assert pushes[first]["ref"] == "refs/heads/topic"
    assert (pushes[first]["created"], pushes[first]["before"]) == (True, "0" * 40)
    assert pushes[first]["commits"][0]["added"] == ["new.txt"]
    assert (pushes[second]["forced"], pushes[second]["created"]) == (True, False)
    assert pushes[second]["head_commit"]["modified"] == ["hello.c"]
    assert pushes["0" * 40]["deleted"]


async def test_a_release_is_told_in_three_events(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    await bot.repos.async_create_release(*HELLO, tag_name="v0.2.0")
    await github.settled()
    assert said(receiver) == [
        ("push", None),
        ("release", "created"),
        ("release", "published"),
        ("release", "released"),
    ]
    for delivered in receiver.arrived:
        check_schema(delivered)


async def test_a_draft_is_told_when_it_is_published(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    draft = await bot.repos.async_create_release(*HELLO, tag_name="v0.2.0", draft=True)
    await github.settled()
    assert said(receiver) == [("release", "created")]
    receiver.arrived.clear()
    await bot.repos.async_update_release(*HELLO, draft.parsed_data.id, draft=False)
    await bot.repos.async_update_release(*HELLO, draft.parsed_data.id, body="text")
    await github.settled()
    assert said(receiver)[1:] == [
        ("release", "edited"),
        ("release", "published"),
        ("release", "released"),
    ]
    for delivered in receiver.arrived:
        check_schema(delivered)


async def test_nothing_is_sent_without_an_address(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.webhook_url = None
    await push_branch(bot, "topic", "a", "a")
    await github.settled()
    assert not receiver.arrived
    assert not github.deliveries


async def test_the_address_can_change(bot: Client, github: Sandbox, receiver: Receiver) -> None:
    github.webhook_url = f"{receiver.url}/gone"
    await push_branch(bot, "one", "a", "a")
    await github.settled()
    assert [d.status_code for d in github.deliveries] == [404]
    github.webhook_url = receiver.url
    await push_branch(bot, "two", "b", "b")
    await github.settled()
    assert receiver.events() == ["push"]


@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_a_delivery_that_github_would_not_send_does_not_parse(event: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        WebhookNamespace.parse(event, b'{"action": "opened"}')
