"""Workflow runs and workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import user
from kmodbot.sandbox.render.commits import simple_commit
from kmodbot.sandbox.render.repository import minimal

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Run
    from kmodbot.sandbox.workflows import Workflow
    from kmodbot.sandbox.world import World


def run(world: World, record: Run) -> dict[str, Any]:
    """Return a run, for the API and for webhooks."""
    repository, html = world.addresses.repository, world.addresses.html
    url = f"{repository}/actions/runs/{record.id}"
    return {
        "id": record.id,
        "name": record.workflow_name,
        "node_id": node_id("WFR", record.id),
        "check_suite_id": record.id + 1,
        "check_suite_node_id": node_id("CS", record.id + 1),
        "head_branch": record.head_branch,
        "head_sha": record.head_sha,
        "path": record.path,
        "display_title": record.title,
        "run_number": record.number,
        "run_attempt": record.attempt,
        "referenced_workflows": [],
        "event": record.event,
        "status": record.status,
        "conclusion": record.conclusion,
        "workflow_id": record.workflow_id,
        "url": url,
        "html_url": f"{html}/actions/runs/{record.id}",
        "pull_requests": [],
        "created_at": timestamp(record.created_at),
        "updated_at": timestamp(record.updated_at),
        "run_started_at": timestamp(record.started_at),
        "actor": user(world, record.actor),
        "triggering_actor": user(world, record.triggering_actor),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{repository}/check-suites/{record.id + 1}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": (
            f"{url}/attempts/{record.attempt - 1}" if record.attempt > 1 else None
        ),
        "workflow_url": f"{repository}/actions/workflows/{record.workflow_id}",
        "head_commit": simple_commit(world.git.commit(record.head_sha)),
        "repository": minimal(world),
        "head_repository": minimal(world),
    }


def workflow(world: World, record: Workflow) -> dict[str, Any]:
    """Return a workflow as the `workflow_run` event shows it."""
    html = world.addresses.html
    name = record.path.rpartition("/")[2]
    return {
        "id": record.id,
        "node_id": node_id("W", record.id),
        "name": record.name,
        "path": record.path,
        "state": "active",
        "created_at": timestamp(world.created_at),
        "updated_at": timestamp(world.created_at),
        "url": f"{world.addresses.repository}/actions/workflows/{record.id}",
        "html_url": f"{html}/blob/main/{record.path}",
        "badge_url": f"{html}/workflows/{name}/badge.svg",
    }
