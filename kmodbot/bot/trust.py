"""Which runs are believed. Pure functions.

Whoever can push a branch can run a workflow of any name there, so only the build workflow of the
default branch of this very repository counts.
https://docs.github.com/en/actions/reference/security/secure-use
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.kernels import parse_run_title

if TYPE_CHECKING:
    from kmodbot.bot.build import Build
    from kmodbot.bot.github.runs import WorkflowRun
    from kmodbot.bot.settings import Settings


def distrust(run: WorkflowRun, settings: Settings, default_branch: str) -> str | None:
    """Say why a run proves nothing about any build, or None when it may be believed."""
    checks = (
        (_is_ours(run.repository, run.repository_id, settings), f"it belongs to {run.repository}"),
        (
            _is_ours(run.head_repository, run.head_repository_id, settings),
            f"its code is of {run.head_repository}",
        ),
        (run.path == settings.workflow_path, f"it is of workflow {run.path}"),
        (run.event == "workflow_dispatch", f"it was started by {run.event}"),
        (run.head_branch == default_branch, f"it ran on branch {run.head_branch}"),
    )
    return next((reason for holds, reason in checks if not holds), None)


def _is_ours(name: str, number: int, settings: Settings) -> bool:
    return settings.known.is_ours(settings.repository, name, number)


def is_titled_for(run: WorkflowRun, build: Build) -> bool:
    """Tell whether a run's title names exactly this build."""
    title = parse_run_title(run.title)
    return title is not None and (title.build_id, title.driver_version, title.kernel) == (
        build.id,
        build.target.driver.version,
        build.target.kernel,
    )
