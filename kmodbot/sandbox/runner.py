"""Carrying out a run: what happens on the machine that Actions would lend."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUILDER: Final = ".github/kmodbot/driver-builder.pyz"
# What a job needs of the machine itself: to reach package repositories, and to keep its downloads
# as a self-hosted runner does.
INHERITED: Final = (
    "PATH",
    "LANG",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *(
        name
        for proxy in ("http_proxy", "https_proxy", "no_proxy")
        for name in (proxy, proxy.upper())
    ),
)
GRACE: Final = 5.0


@dataclass(frozen=True)
class RunContext:
    """One attempt of a run, as its jobs see it."""

    run_id: int
    attempt: int
    workflow_path: str
    head_sha: str
    head_branch: str
    inputs: Mapping[str, str]
    repository: str
    server_url: str
    api_url: str
    clone_url: str
    token: str = field(repr=False)
    workspace: Path
    log_file: Path


class Runner(Protocol):
    """Carries out runs."""

    async def __call__(self, run: RunContext) -> str:
        """Carry out one attempt and return its conclusion, such as "success" or "failure"."""


class CommandRunner:
    """Does what `driver-build.yml` does: check out, build without a token, publish with one."""

    async def __call__(self, run: RunContext) -> str:
        """Run the steps until one fails; their output is appended to the run's log file."""
        environment = job_environment(run)
        publishing = environment | {"GITHUB_TOKEN": run.token}
        builder = (sys.executable, BUILDER)
        steps = [
            *((step, environment) for step in checkout(run)),
            ((*builder, "build", "--source", "driver", "--output", "packages"), environment),
            ((*builder, "publish", "--packages", "packages"), publishing),
        ]
        for command, variables in steps:
            if await execute(command, run, variables) != 0:
                return "failure"
        return "success"


def checkout(run: RunContext) -> list[tuple[str, ...]]:
    """Return the commands that fetch the run's commit and the driver's source into `driver`."""
    tag = f"refs/tags/{run.inputs.get('driver_version', '')}"
    quiet = ("-c", "advice.detachedHead=false")
    return [
        ("git", "clone", "--quiet", "--no-checkout", run.clone_url, "."),
        ("git", *quiet, "checkout", "--quiet", run.head_sha),
        ("git", "init", "--quiet", "driver"),
        ("git", "-C", "driver", "fetch", "--quiet", "--depth", "1", run.clone_url, tag),
        ("git", *quiet, "-C", "driver", "checkout", "--quiet", "FETCH_HEAD"),
    ]


def job_environment(run: RunContext) -> dict[str, str]:
    """Return the variables of a job without a token.

    https://docs.github.com/actions/reference/workflows-and-actions/variables
    """
    home = run.workspace.parent
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": run.api_url,
        "GITHUB_REF": f"refs/heads/{run.head_branch}",
        "GITHUB_REPOSITORY": run.repository,
        "GITHUB_RUN_ATTEMPT": str(run.attempt),
        "GITHUB_RUN_ID": str(run.run_id),
        "GITHUB_SERVER_URL": run.server_url,
        "GITHUB_SHA": run.head_sha,
        "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
        "GITHUB_WORKSPACE": str(run.workspace),
        "HOME": str(home),
        "RUNNER_TEMP": str(home),
        **{name.upper(): value for name, value in run.inputs.items()},
    }


async def execute(command: tuple[str, ...], run: RunContext, variables: Mapping[str, str]) -> int:
    """Run a command in the workspace and return its exit status.

    The command and all its children end with the task that waits for it.
    """
    with run.log_file.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=run.workspace,
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
            return
