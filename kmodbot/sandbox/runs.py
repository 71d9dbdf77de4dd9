"""The queue of workflow runs: at most two at once, the others wait."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from kmodbot.sandbox.accounts import ACTIONS_BOT
from kmodbot.sandbox.records import Run
from kmodbot.sandbox.render import runs as render
from kmodbot.sandbox.runner import RunContext
from kmodbot.sandbox.workflows import Workflow, find_workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.sandbox.accounts import Account
    from kmodbot.sandbox.runner import Runner
    from kmodbot.sandbox.world import World

AT_ONCE: Final = 2

log = logging.getLogger(__name__)


class RunQueue:
    """Carries out runs with `runner`, and tells the App how far they are.

    While `held` is set, new runs stay queued.
    """

    def __init__(self, world: World, runner: Runner) -> None:
        self.held = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._world = world
        self._runner = runner
        self._waiting: list[Run] = []
        self._going_on: dict[int, asyncio.Task[None]] = {}
        self._cancelled: set[int] = set()

    def dispatch(
        self, workflow: Workflow, branch: str, sha: str, inputs: Mapping[str, str], actor: Account
    ) -> Run:
        """Queue a run of `workflow` at commit `sha` and return it."""
        world, now = self._world, self._world.clock()
        number = 1 + sum(run.workflow_id == workflow.id for run in world.runs)
        github = {"actor": actor.login, "ref_name": branch, "run_number": str(number)}
        run = Run(
            id=next(world.ids),
            number=number,
            workflow_id=workflow.id,
            workflow_name=workflow.name,
            path=workflow.path,
            title=workflow.title(inputs, github),
            head_branch=branch,
            head_sha=sha,
            inputs=dict(inputs),
            actor=actor,
            triggering_actor=actor,
            created_at=now,
            updated_at=now,
            started_at=now,
        )
        world.runs.append(run)
        self._tell(run, "requested")
        self._queue(run)
        return run

    def rerun(self, run: Run, actor: Account) -> None:
        """Queue the next attempt of a completed run."""
        run.attempt += 1
        run.status, run.conclusion, run.began = "queued", None, False
        run.triggering_actor = actor
        run.started_at = run.updated_at = self._world.clock()
        self._queue(run)

    def cancel(self, run: Run) -> None:
        """End a run that waits or goes on."""
        if run in self._waiting:
            self._waiting.remove(run)
            self._change(run, "completed", "cancelled")
        elif run.id in self._going_on:
            self._cancelled.add(run.id)
            self._going_on[run.id].cancel()

    def release(self) -> None:
        """Let the held runs start."""
        self.held = False
        self._pump()

    async def close(self) -> None:
        """End the runs that are going on."""
        self._waiting.clear()
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _queue(self, run: Run) -> None:
        self._waiting.append(run)
        self._pump()

    def _pump(self) -> None:
        while self._waiting and not self.held and len(self.tasks) < AT_ONCE:
            run = self._waiting.pop(0)
            task = asyncio.create_task(self._carry_out(run))
            self.tasks.add(task)
            self._going_on[run.id] = task
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._pump()

    async def _carry_out(self, run: Run) -> None:
        run.began = True
        self._change(run, "in_progress", None)
        token = self._world.keyring.mint("actions", self._workflow(run).permissions()).token
        try:
            conclusion = await self._runner(self._context(run, token))
        except Exception:
            log.exception("run %s", run.id)
            conclusion = "failure"
        except asyncio.CancelledError:
            if run.id not in self._cancelled:
                raise
            self._cancelled.discard(run.id)
            conclusion = "cancelled"
        del self._going_on[run.id]
        self._world.keyring.revoke(token)
        self._change(run, "completed", conclusion)

    def _context(self, run: Run, token: str) -> RunContext:
        addresses = self._world.addresses
        workspace = self._world.folder(run) / "workspace"
        workspace.mkdir(parents=True)
        return RunContext(
            run_id=run.id,
            attempt=run.attempt,
            workflow_path=run.path,
            head_sha=run.head_sha,
            head_branch=run.head_branch,
            inputs=run.inputs,
            repository=addresses.full_name,
            server_url=addresses.server,
            api_url=addresses.api,
            clone_url=addresses.clone,
            token=token,
            workspace=workspace,
            log_file=self._world.log_file(run),
        )

    def _change(self, run: Run, status: str, conclusion: str | None) -> None:
        run.status, run.conclusion = status, conclusion
        run.updated_at = self._world.clock()
        log.info("run %s %s %s (%s)", run.id, status, conclusion or "", run.title)
        self._tell(run, status)

    def _tell(self, run: Run, action: str) -> None:
        world = self._world
        sender = ACTIONS_BOT if action == "completed" else run.triggering_actor
        world.hooks.emit(
            "workflow_run",
            action,
            sender,
            workflow_run=render.run(world, run),
            workflow=render.workflow(world, self._workflow(run)),
        )

    def _workflow(self, run: Run) -> Workflow:
        return find_workflow(self._world.git, run.head_sha, run.path.rpartition("/")[2])
