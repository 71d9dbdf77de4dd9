from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.bot.events import (
    BadEvent,
    ListChanged,
    RunChanged,
    essence,
    is_signature,
    is_signed,
    parse_event,
)
from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings

REPOSITORY = "acme/hello-driver"
SETTINGS = Settings(
    app_id="1",
    private_key=Secret("key"),
    webhook_secrets=(),
    repository="Acme/Hello-Driver",
    driver="hello",
)
# The example of GitHub's documentation.
# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
DOCUMENTED_SECRET = Secret("It's a Secret to Everybody")
DOCUMENTED_BODY = b"Hello, World!"
DOCUMENTED_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_the_documented_example_is_signed() -> None:
    assert is_signed(DOCUMENTED_BODY, DOCUMENTED_SIGNATURE, [DOCUMENTED_SECRET])


def test_any_configured_secret_will_do_while_secrets_are_rotated() -> None:
    secrets = [Secret("the new one"), DOCUMENTED_SECRET]

    assert is_signed(DOCUMENTED_BODY, DOCUMENTED_SIGNATURE, secrets)


def test_no_secret_means_no_delivery_is_accepted() -> None:
    assert not is_signed(DOCUMENTED_BODY, DOCUMENTED_SIGNATURE, [])


@given(st.binary(), st.integers(0, 63))
def test_a_changed_body_or_signature_is_not_signed(body: bytes, position: int) -> None:
    digits = list(DOCUMENTED_SIGNATURE)
    place = len("sha256=") + position
    digits[place] = "0" if digits[place] != "0" else "1"

    assert not is_signed(DOCUMENTED_BODY, "".join(digits), [DOCUMENTED_SECRET])
    if body != DOCUMENTED_BODY:
        assert not is_signed(body, DOCUMENTED_SIGNATURE, [DOCUMENTED_SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha1=" + "0" * 40,
        "sha256=" + "0" * 63,
        "sha256=" + "0" * 65,
        "sha256=" + "0" * 64 + "\n",
        "sha256=" + "٠" * 64,
        "sha256=" + "é" * 64,
        "SHA256=" + "0" * 64,
        "0" * 64,
    ],
)
def test_only_the_documented_form_is_a_signature(header: str | None) -> None:
    assert not is_signature(header)


@given(st.text())
def test_no_text_makes_the_signature_check_stumble(header: str) -> None:
    assert is_signature(header) == is_signature(header)


def run_event(**changes: Any) -> dict[str, Any]:
    event = {
        "action": "completed",
        "workflow_run": {"id": 7},
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
    }
    return event | changes


def push_event(**changes: Any) -> dict[str, Any]:
    commit = {"added": [], "modified": [".github/kernels.json"], "removed": []}
    event = {
        "ref": "refs/heads/main",
        "commits": [commit],
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
    }
    return event | changes


def parse(event: str, data: object) -> object:
    return parse_event(event, json.dumps(data).encode(), SETTINGS)


def test_a_run_event_names_its_run() -> None:
    assert parse("workflow_run", run_event()) == RunChanged(7, "completed")


def test_a_push_counts_when_it_changes_the_list_on_the_default_branch() -> None:
    other_file = {"added": ["README.md"], "modified": [], "removed": []}

    assert parse("push", push_event()) == ListChanged()
    assert parse("push", push_event(commits=[])) == ListChanged()
    assert parse("push", push_event(commits=[other_file])) is None
    assert parse("push", push_event(ref="refs/heads/add-kernel/x")) is None


@pytest.mark.parametrize("event", ["ping", "issues", "a_future_event", ""])
def test_other_events_are_ignored(event: str) -> None:
    assert parse(event, {"zen": "Design for failure."}) is None


def test_runs_of_other_workflows_are_ignored() -> None:
    lint = {"id": 7, "path": ".github/workflows/lint.yml"}
    ours = {"id": 7, "path": ".github/workflows/driver-build.yml@refs/heads/main"}

    assert parse("workflow_run", run_event(workflow_run=lint)) is None
    assert parse("workflow_run", run_event(workflow_run=ours)) == RunChanged(7, "completed")


OURS = {
    "id": 7,
    "conclusion": "success",
    "event": "workflow_dispatch",
    "head_branch": "main",
    "head_repository": {"full_name": REPOSITORY.upper()},
}


def test_the_conclusion_of_a_run_that_may_be_ours_is_a_hint() -> None:
    event = parse("workflow_run", run_event(workflow_run=OURS))

    assert event == RunChanged(7, "completed", conclusion="success")


@pytest.mark.parametrize(
    "change",
    [
        {"event": "pull_request"},
        {"head_branch": "evil"},
        {"head_repository": {"full_name": "evil/fork"}},
        {"head_repository": {}},
    ],
)
def test_the_conclusion_of_a_run_that_others_may_have_shaped_is_no_hint(
    change: dict[str, Any],
) -> None:
    event = parse("workflow_run", run_event(workflow_run=OURS | change))

    assert event == RunChanged(7, "completed", conclusion=None)


def test_other_repositories_are_ignored() -> None:
    elsewhere = {"full_name": "acme/other", "default_branch": "main"}

    assert parse("workflow_run", run_event(repository=elsewhere)) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(run_event(workflow_run=None)).encode(),
        json.dumps(run_event(workflow_run={"id": "7"})).encode(),
        json.dumps(run_event(workflow_run={"id": True})).encode(),
        json.dumps(run_event(repository=[])).encode(),
        json.dumps(run_event(action=None)).encode(),
        json.dumps({"workflow_run": {"id": 7}}).encode(),
    ],
)
def test_a_run_event_of_another_form_is_refused(payload: bytes) -> None:
    with pytest.raises(BadEvent):
        parse_event("workflow_run", payload, SETTINGS)


@pytest.mark.parametrize("commits", [None, "x", [None], ["x"], [{"added": 5}]])
def test_a_push_of_another_form_is_refused(commits: object) -> None:
    with pytest.raises(BadEvent):
        parse("push", push_event(commits=commits))


@given(
    st.integers(1, 2**63 - 1),
    st.text(),
    st.integers(1, 2**31 - 1),
    st.none() | st.text(),
    st.text(),
)
def test_what_is_kept_of_a_run_event_reads_as_the_same_event(
    run_id: int, action: str, attempt: int, conclusion: str | None, title: str
) -> None:
    event = RunChanged(run_id, action, attempt, conclusion, title)

    assert parse_event("workflow_run", essence(event, SETTINGS), SETTINGS) == event


def test_what_is_kept_of_a_push_reads_as_the_same_event() -> None:
    assert parse_event("push", essence(ListChanged(), SETTINGS), SETTINGS) == ListChanged()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.sampled_from(["workflow_run", "push", "other"]),
    st.fixed_dictionaries(
        {},
        optional={
            "repository": json_values
            | st.just({"full_name": REPOSITORY, "default_branch": "main"}),
            "workflow_run": json_values,
            "commits": json_values
            | st.lists(st.dictionaries(st.sampled_from(["added", "modified"]), json_values)),
            "ref": json_values | st.just("refs/heads/main"),
        },
    ),
)
def test_no_json_makes_the_reader_stumble(event: str, data: dict[str, Any]) -> None:
    try:
        parse(event, data)
    except BadEvent as error:
        assert str(error)  # noqa: PT017  # either outcome is fine, another exception is not
