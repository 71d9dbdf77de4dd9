"""The jobs of a run. A run that did not end well went wrong where it builds.

That is the first job in a container, or the first job of all, and its last step with a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.render import node_id, timestamp

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Run
    from kmodbot.sandbox.workflows import Workflow
    from kmodbot.sandbox.world import World


def jobs(world: World, run: Run, workflow: Workflow) -> list[dict[str, Any]]:
    """Return the jobs of the latest attempt, in the order of the workflow's file."""
    documents = workflow.document.get("jobs") or {}
    builds = next((name for name, job in documents.items() if "container" in (job or {})), None)
    ended_well = run.conclusion in (None, "success")
    shown, conclusion = [], run.conclusion if ended_well or builds is None else "success"
    for number, (name, job) in enumerate(documents.items(), 1):
        if name == builds:
            conclusion = run.conclusion
        shown.append(_job(world, run, workflow, number, str(name), job or {}, conclusion))
        if conclusion not in (None, "success"):
            conclusion = "skipped"
    return shown


def _job(
    world: World,
    run: Run,
    workflow: Workflow,
    number: int,
    name: str,
    job: dict[str, Any],
    conclusion: str | None,
) -> dict[str, Any]:
    identity = run.id * 1000 + run.attempt * 100 + number
    url = f"{world.addresses.repository}/actions"
    times = {"started_at": timestamp(run.started_at), "completed_at": _ended(run)}
    return {
        "id": identity,
        "run_id": run.id,
        "workflow_name": workflow.name,
        "head_branch": run.head_branch,
        "run_url": f"{url}/runs/{run.id}",
        "run_attempt": run.attempt,
        "node_id": node_id("CR", identity),
        "head_sha": run.head_sha,
        "url": f"{url}/jobs/{identity}",
        "html_url": f"{world.addresses.html}/actions/runs/{run.id}/job/{identity}",
        "status": run.status,
        "conclusion": conclusion,
        "created_at": timestamp(run.started_at),
        **times,
        "name": str(job.get("name") or name),
        "steps": _steps(job, run.status, conclusion, times) if run.began else [],
        "check_run_url": f"{world.addresses.repository}/check-runs/{identity}",
        "labels": [str(job.get("runs-on") or "ubuntu-24.04")],
        "runner_id": 1,
        "runner_name": "sandbox",
        "runner_group_id": 1,
        "runner_group_name": "sandbox",
    }


def _steps(
    job: dict[str, Any], status: str, conclusion: str | None, times: dict[str, str | None]
) -> list[dict[str, Any]]:
    steps = job.get("steps") or []
    if conclusion == "skipped":
        return []
    commands = [number for number, step in enumerate(steps, 1) if "run" in step]
    bad = commands[-1] if commands else len(steps)
    return [
        {
            "name": str(step.get("name") or f"Run {step.get('uses') or step.get('run')}"),
            "status": status,
            "conclusion": _step_conclusion(conclusion, number - bad),
            "number": number,
            **times,
        }
        for number, step in enumerate(steps, 1)
    ]


def _step_conclusion(conclusion: str | None, after: int) -> str | None:
    """Return how a step ended that stands so many steps after the one that went wrong."""
    if conclusion in (None, "success") or after == 0:
        return conclusion
    return "skipped" if after > 0 else "success"


def _ended(run: Run) -> str | None:
    return timestamp(run.updated_at) if run.status == "completed" else None
