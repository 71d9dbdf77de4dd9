"""A sandbox in a process of its own, that is told what to do line by line."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import ROOT, MeasurementFailed
from kmodbot.sandbox import Sandbox
from kmodbot.sandbox.accounts import REPOSITORY_ID
from tests.bot.conftest import CONTENT, WORKFLOW, QuickRunner
from tests.bot.test_budget import counted

if TYPE_CHECKING:
    from collections.abc import Iterator


class GitHub:
    """The sandbox in the other process. ``environment`` is what a bot needs to know of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.environment: dict[str, str] = self._order("environment")

    def send_webhooks_to(self, url: str) -> None:
        """Send webhooks to a bot."""
        self._order("webhooks", url)

    def hold_runs(self) -> None:
        """Let new runs wait."""
        self._order("hold")

    def release_runs(self) -> None:
        """Let the runs that wait start, and those that come."""
        self._order("release")

    def settle(self) -> None:
        """Wait until nothing goes on there."""
        self._order("settle")

    def calls(self) -> Counter[str]:
        """Return how often the bots have called, by kind, since this was asked last."""
        return Counter(self._order("calls"))

    def _order(self, *words: str) -> Any:
        assert self._process.stdin is not None  # noqa: S101  # both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise MeasurementFailed("the sandbox has ended")
        return json.loads(answer)


@contextmanager
def sandbox(
    repository: str = "acme/hello-driver",
    workflow: str = "driver-build.yml",
    repository_id: int = REPOSITORY_ID,
) -> Iterator[GitHub]:
    """Run a sandbox until the block ends; its runs publish a small package at once."""
    given = [repository, workflow, str(repository_id)]
    command = [sys.executable, "-m", "bench.github", *given]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield GitHub(process)
    finally:
        process.kill()
        process.communicate()


async def _serve(repository: str, workflow: str, repository_id: int, directory: Path) -> None:
    content = CONTENT | {f".github/workflows/{workflow}": WORKFLOW.encode()}
    loop = asyncio.get_running_loop()
    async with Sandbox(
        directory / "github",
        repository=repository,
        repository_id=repository_id,
        content=content,
        runner=QuickRunner(),
    ) as github:
        seen = 0
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            word, *arguments = json.loads(line)
            answer: Any = None
            if word == "environment":
                answer = github.environment()
            elif word == "webhooks":
                github.webhook_url = arguments[0]
            elif word == "hold":
                github.hold_runs()
            elif word == "release":
                github.release_runs()
            elif word == "settle":
                await github.settled()
            elif word == "calls":
                answer, seen = counted(github, seen), len(github.calls)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("repository")
    parser.add_argument("workflow")
    parser.add_argument("repository_id", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmodbot-bench-") as name:
        asyncio.run(_serve(given.repository, given.workflow, given.repository_id, Path(name)))
