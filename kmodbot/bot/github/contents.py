"""Files, commits and branches of the driver's repository."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from cachetools import LRUCache

from kmodbot.bot.github.errors import GitHubConflict, GitHubGone
from kmodbot.bot.github.tokens import Purpose

if TYPE_CHECKING:
    from kmodbot.bot.github.client import GitHubClient
    from kmodbot.bot.github.repository import RepositoryInfo

_FILES = 16


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

    def __init__(self, client: GitHubClient, repository: RepositoryInfo) -> None:
        self._client = client
        self._repository = repository
        # What a commit holds never changes.
        self._files: LRUCache[tuple[str, str], str | None] = LRUCache(_FILES)

    async def default_branch(self) -> str:
        """Return the name of the branch that counts."""
        return (await self._repository.facts()).default_branch

    async def branches(self, prefix: str) -> dict[str, str]:
        """Return the newest commit of each branch whose name begins with ``prefix``.

        https://docs.github.com/en/rest/git/refs#list-matching-references
        """
        refs = await self._client.get(f"/git/matching-refs/heads/{quote(prefix)}")
        return {ref["ref"].removeprefix("refs/heads/"): ref["object"]["sha"] for ref in refs}

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
        if (path, commit) not in self._files:
            url = f"/contents/{quote(path)}?ref={commit}"
            text = await self._client.get_or_none(url, accept="application/vnd.github.raw+json")
            # An empty body is decoded to None as well; a missing file raised 404 before.
            self._files[path, commit] = None if text is None else str(text)
        return self._files[path, commit]

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

    async def write_file(self, branch: str, change: FileChange, replaced: str | None) -> str | None:
        """Commit a changed file to a branch; None when somebody else has changed it meanwhile.

        ``replaced`` is the text that the file had. No author is given here either.
        https://docs.github.com/en/rest/repos/contents#create-or-update-file-contents
        """
        request = {
            "message": change.message,
            "content": base64.b64encode(change.content.encode()).decode(),
            "branch": branch,
        }
        if replaced is not None:
            request["sha"] = _blob_id(replaced)
        try:
            answer = await self._client.put(
                f"/contents/{quote(change.path)}", request, Purpose.PROPOSE
            )
        except GitHubConflict:
            return None
        return str(answer["commit"]["sha"])

    async def create_branch(self, branch: str, commit: str) -> bool:
        """Create a branch; False when it exists already. GitHub lets one of several callers win.

        https://docs.github.com/en/rest/git/refs#create-a-reference
        """
        try:
            await self._client.post(
                "/git/refs", {"ref": f"refs/heads/{branch}", "sha": commit}, Purpose.PROPOSE
            )
        except GitHubConflict:
            return False
        return True

    async def move_branch(self, branch: str, commit: str) -> None:
        """Point a branch at another commit, whatever it pointed at before."""
        await self._client.patch(
            f"/git/refs/heads/{quote(branch)}", {"sha": commit, "force": True}, Purpose.PROPOSE
        )

    async def delete_branch(self, branch: str) -> None:
        """Remove a branch; one that is gone already is fine."""
        with contextlib.suppress(GitHubGone):
            await self._client.delete(f"/git/refs/heads/{quote(branch)}", Purpose.PROPOSE)


def _blob_id(text: str) -> str:
    """Return the id that git gives to a file of this text."""
    data = text.encode()
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()
