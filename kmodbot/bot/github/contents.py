"""Files, commits and branches of the driver's repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from cachetools import TTLCache

from kmodbot.bot.github.errors import GitHubRefused
from kmodbot.bot.github.tokens import Purpose

if TYPE_CHECKING:
    from kmodbot.bot.github.client import GitHubClient

_SECONDS_BETWEEN_RENAMES = 3600


@dataclass(frozen=True)
class Head:
    """The newest commit of a branch."""

    commit: str
    tree: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class FileChange:
    """New content of one file."""

    path: str
    content: str
    message: str


class Contents:
    """Reads the repository and writes commits to it."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._default_branch: TTLCache[str, str] = TTLCache(1, _SECONDS_BETWEEN_RENAMES)

    async def default_branch(self) -> str:
        """Return the name of the branch that counts."""
        if "name" not in self._default_branch:
            self._default_branch["name"] = (await self._client.get(""))["default_branch"]
        return self._default_branch["name"]

    async def branches(self, prefix: str) -> list[str]:
        """Return the names of the branches that begin with ``prefix``.

        https://docs.github.com/en/rest/git/refs#list-matching-references
        """
        refs = await self._client.get(f"/git/matching-refs/heads/{quote(prefix)}")
        return [ref["ref"].removeprefix("refs/heads/") for ref in refs]

    async def head(self, branch: str) -> Head | None:
        """Return the newest commit of a branch, None when there is no such branch."""
        answer = await self._client.get_or_none(f"/branches/{quote(branch, safe='')}")
        if answer is None:
            return None
        commit = answer["commit"]
        parents = tuple(parent["sha"] for parent in commit["parents"])
        return Head(commit["sha"], commit["commit"]["tree"]["sha"], parents)

    async def file(self, path: str, commit: str) -> str | None:
        """Return the text of a file at a commit, None when there is no such file."""
        url = f"/contents/{quote(path)}?ref={commit}"
        text = await self._client.get_or_none(url, accept="application/vnd.github.raw+json")
        # An empty body is decoded to None as well; a missing file raised 404 before.
        return None if text is None else str(text)

    async def commit(self, parent: Head, change: FileChange) -> str:
        """Write a commit with one changed file on top of ``parent``; return its id.

        No author is given, so that GitHub signs the commit as the App's.
        https://docs.github.com/en/rest/git/commits#create-a-commit
        """
        entry = {"path": change.path, "mode": "100644", "type": "blob", "content": change.content}
        tree = await self._client.post(
            "/git/trees", {"base_tree": parent.tree, "tree": [entry]}, Purpose.PROPOSE
        )
        commit = await self._client.post(
            "/git/commits",
            {"message": change.message, "tree": tree["sha"], "parents": [parent.commit]},
            Purpose.PROPOSE,
        )
        return str(commit["sha"])

    async def create_branch(self, branch: str, commit: str) -> bool:
        """Create a branch; False when it exists already. GitHub lets one of several callers win.

        https://docs.github.com/en/rest/git/refs#create-a-reference
        """
        try:
            await self._client.post(
                "/git/refs", {"ref": f"refs/heads/{branch}", "sha": commit}, Purpose.PROPOSE
            )
        except GitHubRefused as error:
            if error.status == 422 and "already exists" in str(error).lower():
                return False
            raise
        return True

    async def move_branch(self, branch: str, commit: str) -> None:
        """Point a branch at another commit, whatever it pointed at before."""
        await self._client.patch(
            f"/git/refs/heads/{quote(branch)}", {"sha": commit, "force": True}, Purpose.PROPOSE
        )

    async def delete_branch(self, branch: str) -> None:
        """Remove a branch; one that is gone already is fine."""
        try:
            await self._client.delete(f"/git/refs/heads/{quote(branch)}", Purpose.PROPOSE)
        except GitHubRefused as error:
            if error.status not in {404, 422}:
                raise
