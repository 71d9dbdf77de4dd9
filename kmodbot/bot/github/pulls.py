"""Pull requests of the driver's repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from kmodbot.bot.github.errors import GitHubConflict
from kmodbot.bot.github.tokens import Purpose

if TYPE_CHECKING:
    from kmodbot.bot.github.client import GitHubClient
    from kmodbot.bot.github.repository import RepositoryInfo


@dataclass(frozen=True)
class PullRequest:
    """What a new pull request says."""

    branch: str
    base: str
    title: str
    body: str


class Pulls:
    """The pull requests of the repository."""

    def __init__(self, client: GitHubClient, repository: RepositoryInfo) -> None:
        self._client = client
        self._repository = repository

    async def create(self, pull: PullRequest) -> bool:
        """Open a pull request; False when its branch has an open one already.

        GitHub tells a duplicate from other refusals only by its message.
        https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request
        """
        request = {
            "head": pull.branch,
            "base": pull.base,
            "title": pull.title,
            "body": pull.body,
            "maintainer_can_modify": False,
        }
        try:
            await self._client.post("/pulls", request, Purpose.PROPOSE)
        except GitHubConflict:
            return False
        return True

    async def was_declined(self, branch: str, package: str) -> bool:
        """Tell whether a pull request of a branch that named this package was closed unmerged.

        https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
        """
        # Whoever has the repository now: under the name of a former owner nothing is found.
        owner, _, _ = (await self._repository.facts()).full_name.partition("/")
        query = {"head": f"{owner}:{branch}", "state": "closed", "per_page": "30"}
        pulls = await self._client.get(f"/pulls?{urlencode(query)}", cached=False)
        return any(
            pull["merged_at"] is None and f"[{package}]" in (pull["body"] or "") for pull in pulls
        )
