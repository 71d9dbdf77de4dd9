"""Workflow runs: dispatching the build workflow and looking runs up."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from dateutil.parser import isoparse

from kmodbot.bot.github.errors import GitHubConflict, GitHubGone, GitHubRefused
from kmodbot.bot.github.jobs import Job
from kmodbot.bot.github.tokens import Purpose

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from kmodbot.bot.github.client import GitHubClient
    from kmodbot.bot.github.pace import Wanted

# How far GitHub's clock may be from ours when runs are listed by their time.
CLOCK_SKEW = timedelta(minutes=5)
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
# A filtered list ends after 1,000 runs.
_PER_PAGE, _PAGES = 100, 10


@dataclass(frozen=True)
class WorkflowRun:
    """What the bot needs to know of a run. ``conclusion`` is None until it has completed."""

    id: int
    title: str
    path: str
    event: str
    head_branch: str
    repository: str
    head_repository: str
    status: str
    conclusion: str | None
    url: str
    updated_at: datetime
    created_at: datetime
    started_at: datetime
    attempt: int = 1
    # GitHub's numbers of the two repositories, 0 where it does not tell.
    repository_id: int = 0
    head_repository_id: int = 0

    @classmethod
    def from_json(cls, run: dict[str, Any]) -> WorkflowRun:
        """Read GitHub's description of a run, in an answer or in a webhook.

        https://docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run
        """
        repository, head = run.get("repository") or {}, run.get("head_repository") or {}
        return cls(
            id=int(run["id"]),
            title=run.get("display_title") or "",
            # The path may carry the ref it was read at.
            path=(run.get("path") or "").split("@")[0],
            event=run.get("event") or "",
            head_branch=run.get("head_branch") or "",
            repository=repository.get("full_name") or "",
            head_repository=head.get("full_name") or "",
            status=run.get("status") or "",
            conclusion=run.get("conclusion"),
            url=run.get("html_url") or "",
            updated_at=isoparse(run["updated_at"]),
            created_at=isoparse(run["created_at"]),
            # A later attempt starts later, and keeps the time of creation.
            started_at=isoparse(run.get("run_started_at") or run["created_at"]),
            attempt=int(run.get("run_attempt") or 1),
            repository_id=int(repository.get("id") or 0),
            head_repository_id=int(head.get("id") or 0),
        )


@dataclass(frozen=True)
class DispatchedRun:
    """The run that a dispatch started."""

    id: int
    url: str


class Runs:
    """The runs of the build workflow."""

    def __init__(self, client: GitHubClient, workflow: str) -> None:
        self._client = client
        self._workflow = f"/actions/workflows/{workflow}"
        self._tells_runs = True

    async def must_wait(self) -> bool:
        """Tell whether a dispatch would have to wait for other writes."""
        return await self._client.must_wait_to_write()

    def turn(self, is_wanted: Wanted) -> AbstractAsyncContextManager[bool]:
        """Wait for the turn to ``dispatch``, and keep it.

        False when it was asked while other processes wrote, and the run is not wanted any more.
        """
        return self._client.turn(is_wanted)

    async def get_ready(self) -> None:
        """Do what comes before a dispatch, so that only the dispatch is left to go wrong."""
        await self._client.get_ready(Purpose.DISPATCH)

    async def dispatch(self, ref: str, inputs: dict[str, str]) -> DispatchedRun | None:
        """Start a run on ``ref``; None when this GitHub does not say which run it started.

        The caller has its ``turn``.

        https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
        """
        request: dict[str, Any] = {"ref": ref, "inputs": inputs}
        if self._tells_runs:
            request["return_run_details"] = True
        try:
            answer = await self._post(request)
        except GitHubRefused as error:
            # GitHub Enterprise Server before 3.21 does not know the field.
            if error.status not in {400, 422} or "return_run_details" not in str(error):
                raise
            # It will not know it the next time either, and each write makes the others wait.
            self._tells_runs = False
            request.pop("return_run_details", None)
            answer = await self._post(request)
        if not answer:
            return None
        return DispatchedRun(int(answer["workflow_run_id"]), answer["html_url"])

    async def _post(self, request: dict[str, Any]) -> Any:
        path = f"{self._workflow}/dispatches"
        return await self._client.post(path, request, Purpose.DISPATCH, in_turn=True)

    async def get(self, run_id: int) -> WorkflowRun | None:
        """Return a run as GitHub sees it now, None when it was deleted."""
        run = await self._client.get_or_none(f"/actions/runs/{run_id}")
        return None if run is None else WorkflowRun.from_json(run)

    async def jobs(self, run_id: int) -> list[Job]:
        """Return the jobs of the latest attempt of a run; none when the run was deleted.

        https://docs.github.com/en/rest/actions/workflow-jobs#list-jobs-for-a-workflow-run
        """
        path = f"/actions/runs/{run_id}/jobs?filter=latest&per_page={_PER_PAGE}"
        answer = await self._client.get_or_none(path, cached=False)
        return [] if answer is None else [Job.from_json(job) for job in answer["jobs"]]

    async def cancel(self, run_id: int) -> None:
        """Stop a run; one that has ended or is gone already is fine.

        https://docs.github.com/en/rest/actions/workflow-runs#cancel-a-workflow-run
        """
        with contextlib.suppress(GitHubConflict, GitHubGone):
            await self._client.post(f"/actions/runs/{run_id}/cancel", {}, Purpose.DISPATCH)

    @property
    def most_listed(self) -> int:
        """After how many runs a list ends, though there may be more."""
        return _PER_PAGE * _PAGES

    async def listed(self, since: datetime, until: datetime) -> AsyncGenerator[WorkflowRun]:
        """Yield the dispatched runs created between two moments, newest first.

        The next page is asked for only when the runs of the last one have been taken.
        https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow
        """
        query = {
            "event": "workflow_dispatch",
            "created": f"{since:{_MOMENT}}..{until:{_MOMENT}}",
            "per_page": str(_PER_PAGE),
        }
        for page in range(1, _PAGES + 1):
            url = f"{self._workflow}/runs?{urlencode(query | {'page': str(page)})}"
            runs = (await self._client.get(url, cached=False))["workflow_runs"]
            for run in runs:
                yield WorkflowRun.from_json(run)
            if len(runs) < _PER_PAGE:
                break
