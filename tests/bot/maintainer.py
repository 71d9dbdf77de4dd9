"""What people do in GitHub's pages."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

KERNELS_JSON = "/contents/.github/kernels.json"


class Refused(Exception):
    """GitHub does not let a maintainer do this now."""


class Maintainer:
    """Somebody with write access to the driver's repository, whom no fault strikes.

    What GitHub does not allow raises ``Refused``.
    """

    def __init__(self, github: Sandbox) -> None:
        self._github = github
        self._repository = f"{github.api_url}/repos/{github.repository}"
        self._headers = {"Authorization": f"Bearer {github.maintainer_token}"}

    async def start_run(self, inputs: dict[str, str]) -> None:
        """Press "Run workflow" with these inputs."""
        path = "/actions/workflows/driver-build.yml/dispatches"
        await self._send("POST", path, {"ref": "main", "inputs": inputs})

    async def rerun(self, run_id: int) -> None:
        """Press "Re-run all jobs"."""
        await self._send("POST", f"/actions/runs/{run_id}/rerun")

    async def cancel(self, run_id: int) -> None:
        """Press "Cancel workflow"."""
        await self._send("POST", f"/actions/runs/{run_id}/cancel")

    async def close(self, number: int) -> None:
        """Close a pull request without merging it."""
        await self._send("PATCH", f"/pulls/{number}", {"state": "closed"})

    async def delete_branch(self, name: str) -> None:
        """Press "Delete branch" of a pull request."""
        await self._send("DELETE", f"/git/refs/heads/{name}")

    async def merge(self, number: int) -> None:
        """Merge a pull request."""
        await self._send("PUT", f"/pulls/{number}/merge", {})

    async def listed(self) -> str:
        """Return kernels.json of the default branch."""
        return (await self._file())[0]

    async def list_instead(self, text: str) -> None:
        """Push another kernels.json to the default branch."""
        _, sha = await self._file()
        content = base64.b64encode(text.encode()).decode()
        body = {"message": "Edit the list", "content": content, "sha": sha, "branch": "main"}
        await self._send("PUT", KERNELS_JSON, body)

    async def _file(self) -> tuple[str, str]:
        file = await self._send("GET", KERNELS_JSON)
        return base64.b64decode(file["content"]).decode(), file["sha"]

    async def _send(self, method: str, path: str, body: Any = None) -> Any:
        with self._github.faults.suspended():
            async with (
                aiohttp.ClientSession(headers=self._headers) as session,
                session.request(method, self._repository + path, json=body) as answer,
            ):
                if not answer.ok:
                    raise Refused(await answer.text())
                return None if answer.status == 204 else await answer.json()
