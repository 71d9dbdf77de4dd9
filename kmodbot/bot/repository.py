"""Which repository is the bot's: by GitHub's number once that is known, until then by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BY_ID = re.compile(
    r"(?P<home>/repositories/(?P<id>[0-9]{1,18}))(?P<path>(/[^?#]*)?)(?P<query>(\?[^#]*)?)\Z"
)


@dataclass
class KnownRepository:
    """What GitHub has said of the repository that ``GITHUB_REPOSITORY`` names.

    ``id`` is its number, which it keeps when it is renamed or transferred, and which a new one of
    the old name does not have. It is ``confirmed`` once GitHub has shown this process what is
    behind the name. ``moved_to`` is the number that GitHub sends calls with the old name to.
    ``refusal`` says why this bot must not act.
    """

    id: int | None = None
    confirmed: bool = False
    moved_to: int | None = None
    refusal: str | None = None

    def is_ours(self, configured: str, name: str, number: int) -> bool:
        """Tell whether a repository is the bot's; ``number`` is 0 where only its name is known."""
        if self.id is not None and number:
            return number == self.id
        # GitHub's names of repositories ignore case.
        return name.casefold() == configured.casefold()

    def home(self, configured: str) -> str:
        """Return where the repository's part of the REST API begins."""
        if self.moved_to is not None:
            return f"/repositories/{self.moved_to}"
        return f"/repos/{configured}"

    def scope(self, configured: str) -> dict[str, list[int] | list[str]]:
        """Return the repository in the words of a request for a token."""
        number = self.moved_to or (self.id if self.confirmed else None)
        if number is not None:
            return {"repository_ids": [number]}
        return {"repositories": [configured.partition("/")[2]]}

    def follow(self, url: str, location: str) -> tuple[str, bool] | None:
        """Return where a call of ``url`` goes on, and whether it is news that the repository moved.

        GitHub sends it to ``location``; None when that is no place in a repository. Only the path
        counts: the call goes to the same server as before.
        https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
        """
        there = _BY_ID.search(location)
        if there is None:
            return None
        asked, mark, query = url.partition("?")
        if not asked.endswith(there["path"]):
            # Something in the repository has moved: a branch that was renamed.
            return there["home"] + there["path"] + there["query"], False
        number = int(there["id"])
        is_news, self.moved_to = number != self.moved_to, number
        # It is asked again what is there.
        self.confirmed = self.confirmed and not is_news
        return there["home"] + there["path"] + mark + query, is_news
