"""Workflow dispatch and runs.

https://docs.github.com/rest/actions/workflows and https://docs.github.com/rest/actions/workflow-runs
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from kmodbot.sandbox.access import REPOSITORY, needs
from kmodbot.sandbox.answers import LAG, answer, nothing, page
from kmodbot.sandbox.body import read_body
from kmodbot.sandbox.errors import Refusal, invalid_request, not_found, unprocessable
from kmodbot.sandbox.render import runs as render
from kmodbot.sandbox.render import timestamp
from kmodbot.sandbox.render.jobs import jobs as render_jobs
from kmodbot.sandbox.routes.callers import account_of
from kmodbot.sandbox.workflows import find_workflow
from kmodbot.sandbox.world import World, world_of

if TYPE_CHECKING:
    from aiohttp import web

    from kmodbot.sandbox.records import Run

MOST_INPUTS: Final = 25
MOST_CHARACTERS: Final = 65_535
# A filtered list ends here, however many runs there are.
MOST_FOUND: Final = 1000


def add(router: web.UrlDispatcher, root: str) -> None:
    """Add the routes of Actions."""
    actions = f"{root}{REPOSITORY}/actions"
    router.add_post(f"{actions}/workflows/{{workflow}}/dispatches", dispatch)
    router.add_get(f"{actions}/workflows/{{workflow}}/runs", list_workflow_runs)
    router.add_get(f"{actions}/runs", list_runs)
    router.add_get(f"{actions}/runs/{{id}}", get_run)
    router.add_get(f"{actions}/runs/{{id}}/jobs", list_jobs)
    router.add_post(f"{actions}/runs/{{id}}/rerun", rerun)
    router.add_post(f"{actions}/runs/{{id}}/cancel", cancel)


@needs("actions", "write")
async def dispatch(request: web.Request) -> web.Response:
    """Start a run; its id is told to who asks for it."""
    world, body = world_of(request), await read_body(request)
    name = request.match_info["workflow"]
    ref, given = body.text("ref"), body.mapping("inputs")
    _check_size(given)
    sha = world.git.resolve(ref)
    if sha is None:
        find_workflow(world.git, _main(world), name)
        raise unprocessable(f"No ref found for: {ref}")
    workflow = find_workflow(world.git, sha, name)
    inputs = workflow.complete(given)
    if world.run_details == "refused" and "return_run_details" in body:
        raise Refusal(400, '"return_run_details" is not a permitted key.')
    details = body.flag("return_run_details") and world.run_details == "told"
    branch = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    run = world.queue.dispatch(workflow, branch, sha, inputs, account_of(request))
    if not details:
        return nothing()
    document = render.run(world, run)
    return answer(
        {"workflow_run_id": run.id, "run_url": document["url"], "html_url": document["html_url"]}
    )


@needs("actions")
async def list_runs(request: web.Request) -> web.Response:
    """List the runs of every workflow, newest first."""
    return _listed(request, world_of(request).runs)


@needs("actions")
async def list_workflow_runs(request: web.Request) -> web.Response:
    """List the runs of one workflow, newest first."""
    world = world_of(request)
    workflow = find_workflow(world.git, _main(world), request.match_info["workflow"])
    return _listed(request, [run for run in world.runs if run.workflow_id == workflow.id])


@needs("actions")
async def get_run(request: web.Request) -> web.Response:
    """Show a run."""
    return answer(render.run(world_of(request), _run(request)))


@needs("actions", "write")
async def rerun(request: web.Request) -> web.Response:
    """Run a completed run again, as its next attempt."""
    run = _run(request)
    if run.status != "completed":
        raise Refusal(403, "This workflow is already running")
    world_of(request).queue.rerun(run, account_of(request))
    return answer({}, 201)


@needs("actions", "write")
async def cancel(request: web.Request) -> web.Response:
    """Stop a run that has not ended."""
    run = _run(request)
    if run.status == "completed":
        raise Refusal(409, "Cannot cancel a workflow run that is completed.")
    world_of(request).queue.cancel(run)
    return answer({}, 202)


@needs("actions")
async def list_jobs(request: web.Request) -> web.Response:
    """List the jobs of the latest attempt of a run."""
    world, run = world_of(request), _run(request)
    workflow = find_workflow(world.git, run.head_sha, run.path.rpartition("/")[2])
    jobs = render_jobs(world, run, workflow)
    return page(request, jobs, lambda job: job, wrap="jobs")


def _check_size(inputs: dict[str, str]) -> None:
    if len(inputs) > MOST_INPUTS:
        raise invalid_request(
            f"No more than {MOST_INPUTS} properties are allowed; {len(inputs)} were supplied."
        )
    if len(json.dumps(inputs)) > MOST_CHARACTERS:
        raise unprocessable("inputs are too large.")


def _main(world: World) -> str:
    return world.branch("main") or ""


def _run(request: web.Request) -> Run:
    for run in world_of(request).runs:
        if str(run.id) == request.match_info["id"]:
            return run
    raise not_found()


def _listed(request: web.Request, runs: list[Run]) -> web.Response:
    world = world_of(request)
    newest = world.clock() - request.get(LAG, timedelta())
    seen = (run for run in reversed(runs) if run.created_at <= newest)
    found = [run for run in seen if _matches(run, request)][:MOST_FOUND]
    return page(request, found, lambda run: render.run(world, run), wrap="workflow_runs")


def _matches(run: Run, request: web.Request) -> bool:
    query = request.query
    return (
        query.get("event", run.event) == run.event
        and query.get("branch", run.head_branch) == run.head_branch
        and query.get("actor", run.actor.login) == run.actor.login
        and query.get("head_sha", run.head_sha) == run.head_sha
        and query.get("status", run.status) in (run.status, run.conclusion)
        and _created_within(timestamp(run.created_at) or "", query.get("created", "*..*"))
    )


def _created_within(created: str, wanted: str) -> bool:
    """Tell whether a time is in a range such as `>=2026-01-01` or `2026-01-01..*`.

    https://docs.github.com/search-github/getting-started-with-searching-on-github/understanding-the-search-syntax#query-for-dates
    """
    for sign in (">=", "<=", ">", "<"):
        if wanted.startswith(sign):
            edge = _utc(wanted.removeprefix(sign))
            same = created.startswith(edge)
            return (same and "=" in sign) or (not same and (created > edge) == (sign[0] == ">"))
    first, dots, last = wanted.partition("..")
    if not dots:
        return created.startswith(_utc(wanted))
    after = first == "*" or created >= _utc(first)
    return after and (last == "*" or created <= _utc(last) or created.startswith(_utc(last)))


def _utc(moment: str) -> str:
    return moment.replace("+00:00", "Z")
