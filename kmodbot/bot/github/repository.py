"""What the driver's repository is: its default branch, its address, who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.bot.shared import SharedReadings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.github.client import GitHubClient

_SECONDS_BETWEEN_CHANGES = 3600


@dataclass(frozen=True)
class RepositoryFacts:
    """A repository. ``server_url`` is where its pages and downloads begin."""

    id: int
    full_name: str
    default_branch: str
    server_url: str
    is_private: bool


class RepositoryInfo:
    """The facts about the repository, read once an hour and whenever it has moved.

    ``check`` is told of them before anybody else, and may refuse them.
    """

    def __init__(
        self,
        client: GitHubClient,
        check: Callable[[RepositoryFacts], Awaitable[None]],
    ) -> None:
        self._client = client
        self._check = check
        client.confirm_with(self.facts, self._forget)
        self._facts: SharedReadings[None, RepositoryFacts] = SharedReadings(
            1, _SECONDS_BETWEEN_CHANGES
        )

    async def facts(self) -> RepositoryFacts:
        """Return what the repository is.

        Raises:
            GitHubError: it could not be read.

        """
        return await self._facts.get(None, _SECONDS_BETWEEN_CHANGES, self._read)

    def _forget(self) -> None:
        self._facts.forget(None)

    async def _read(self) -> RepositoryFacts:
        """Read the repository.

        https://docs.github.com/en/rest/repos/repos#get-a-repository
        """
        answer = await self._client.get("")
        full_name = str(answer["full_name"])
        facts = RepositoryFacts(
            id=int(answer["id"]),
            full_name=full_name,
            default_branch=str(answer["default_branch"]),
            server_url=str(answer["html_url"]).removesuffix(f"/{full_name}"),
            # An internal repository is shown to people of the enterprise only.
            is_private=answer.get("visibility", "public") != "public" or bool(answer["private"]),
        )
        await self._check(facts)
        return facts
