"""A dispatch is checked against the workflow file, starts one run and can tell its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from githubkit_schemas.v2022_11_28.models import WorkflowDispatchResponse

from .support import HELLO, INPUTS, WORKFLOW, Client, commit_file, got, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox


async def dispatch(
    bot: Client, *, ref: str = "main", workflow: str = WORKFLOW, **inputs: Any
) -> Any:
    return await bot.actions.async_create_workflow_dispatch(
        *HELLO, workflow, data={"ref": ref, "inputs": INPUTS | inputs, "return_run_details": True}
    )


async def test_a_dispatch_tells_the_run_id_when_asked(bot: Client, github: Sandbox) -> None:
    response = await dispatch(bot, build_id="abcd")
    assert response.status_code == 200
    details = WorkflowDispatchResponse.model_validate(response.json())
    run = await got(bot.actions.async_get_workflow_run(*HELLO, details.workflow_run_id))
    assert run.url == details.run_url
    assert run.display_title == "kmodbot abcd v0.1.0 by kmodbot[bot]"
    assert github.runs[0].inputs == INPUTS | {"build_id": "abcd"}


async def test_a_dispatch_says_nothing_when_not_asked(bot: Client, github: Sandbox) -> None:
    response = await bot.actions.async_create_workflow_dispatch(
        *HELLO, WORKFLOW, ref="main", inputs=INPUTS
    )
    assert response.status_code == 204
    assert len(github.runs) == 1


async def test_inputs_left_out_get_their_defaults(bot: Client, github: Sandbox) -> None:
    await dispatch(bot)
    assert github.runs[0].inputs["build_id"] == "manual"


async def test_a_workflow_is_known_by_its_id_too(bot: Client, github: Sandbox) -> None:
    await dispatch(bot)
    await dispatch(bot, workflow=str(github.runs[0].workflow_id))
    assert [run.number for run in github.runs] == [1, 2]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"driver_version": ""}, "Required input 'driver_version' not provided"),
        (
            {"architecture": "mips"},
            "Provided value 'mips' for input 'architecture' not in",
        ),
        ({"shell": "sh"}, 'Unexpected inputs provided: ["shell"]'),
        ({"kernel_version": "x" * 65_535}, "inputs are too large."),
        ({"kernel_version": 6}, "Invalid request.\n\nFor 'properties/inputs/kernel_version', 6"),
        ({f"i{n}": "" for n in range(23)}, "Invalid request.\n\nNo more than 25 properties"),
    ],
)
async def test_inputs_the_workflow_does_not_allow_start_nothing(
    bot: Client, github: Sandbox, inputs: dict[str, Any], says: str
) -> None:
    body = {"ref": "main", "inputs": INPUTS | inputs}
    refusal = await refused(bot.request("POST", dispatches(WORKFLOW), json=body))
    assert refusal.status == 422
    assert refusal.message.startswith(says)
    assert github.runs == []


@pytest.mark.parametrize(
    ("workflow", "body", "status", "says"),
    [
        (WORKFLOW, {"ref": "gone"}, 422, "No ref found for: gone"),
        (WORKFLOW, {}, 422, 'Invalid request.\n\n"ref" wasn\'t supplied.'),
        ("gone.yml", {"ref": "main"}, 404, "Not Found"),
        ("lint.yml", {"ref": "main"}, 422, "Workflow does not have 'workflow_dispatch' trigger"),
    ],
)
async def test_a_dispatch_of_what_is_not_there_starts_nothing(
    bot: Client, github: Sandbox, workflow: str, body: dict[str, Any], status: int, says: str
) -> None:
    refusal = await refused(bot.request("POST", dispatches(workflow), json=body))
    assert (refusal.status, refusal.message) == (status, says)
    assert github.runs == []


async def test_the_workflow_file_of_the_given_ref_counts(bot: Client, github: Sandbox) -> None:
    text = "run-name: other ${{ inputs.a }}\non: {workflow_dispatch: {inputs: {a: }}}\njobs: {}\n"
    sha = await commit_file(bot, f".github/workflows/{WORKFLOW}", text)
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    await bot.request("POST", dispatches(WORKFLOW), json={"ref": "topic", "inputs": {"a": "1"}})
    run = github.runs[0]
    assert (run.title, run.head_branch, run.head_sha) == ("other 1", "topic", sha)


async def test_a_workflow_file_that_is_no_yaml_is_refused(bot: Client) -> None:
    sha = await commit_file(bot, f".github/workflows/{WORKFLOW}", "{")
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    refusal = await refused(bot.request("POST", dispatches(WORKFLOW), json={"ref": "topic"}))
    assert refusal.message.startswith("failed to parse workflow")


async def test_a_body_that_is_no_json_object_is_a_bad_request(bot: Client) -> None:
    for content, says in (
        (b"{", "Problems parsing JSON"),
        (b'{"ref": "\\ud800"}', "Problems parsing JSON"),
        (b"[]", "Body should be a JSON object"),
    ):
        refusal = await refused(bot.request("POST", dispatches(WORKFLOW), content=content))
        assert (refusal.status, refusal.message) == (400, says)


def dispatches(workflow: str) -> str:
    return f"/repos/acme/hello-driver/actions/workflows/{workflow}/dispatches"
