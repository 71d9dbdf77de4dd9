"""One database belongs to one repository: a bot of another one must not act on it.

Builds, reservations and runs are GitHub's only for the repository they were made for. A bot that is
given the database of another would dispatch, fail and propose what is none of its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kmodbot.bot.github.errors import GitHubDenied, GitHubError, GitHubUnavailable
from kmodbot.bot.store.database import UNUSABLE, StoreError, reason_of
from kmodbot.bot.store.owner import Owner
from kmodbot.bot.store.urls import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.github.repository import RepositoryFacts
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.owner import Owners

log = logging.getLogger(__name__)

# A GitHub that is slow to answer is as good as one that is away: the start does not wait for it.
_SECONDS_TO_ASK = 10.0


class Ownership:
    """Compares the repository that GitHub shows with the one that the database belongs to.

    ``end`` ends a bot that works already; ``refusal`` is then why.
    """

    def __init__(self, settings: Settings, owners: Owners, end: Callable[[], None]) -> None:
        self._settings = settings
        self._known = settings.known
        self._owners = owners
        self._end = end
        self._recorded_name: str | None = None
        self._works = False
        self.refusal: StoreError | None = None

    async def begin(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Find out before any work begins; ``ask`` reads the repository and has it checked.

        While GitHub is away the address and the name have to do. GitHub is asked before the first
        other call once it is back.

        Raises:
            StoreError: the database belongs to another repository. Errors of the database itself
                are not caught.

        """
        owner = await self._owners.get()
        if owner is not None:
            self._require(owner, owner.id, self._settings.repository)
            self._known.id, self._recorded_name = owner.id, owner.full_name
        try:
            async with asyncio.timeout(_SECONDS_TO_ASK):
                await ask()
        except (GitHubError, TimeoutError) as error:
            if self.refusal is not None:
                raise self.refusal from None
            self._go_by_name(owner, error)
        self._works = True

    async def check(self, facts: RepositoryFacts) -> None:
        """Compare what GitHub has just shown with what the database belongs to.

        Raises:
            GitHubUnavailable: it belongs to another repository; this bot must not go on.

        """
        try:
            if self._known.id != facts.id:
                await self._claim(facts)
            self._known.confirmed = True
            await self._note_name(facts)
        except StoreError as refusal:
            self._refuse(refusal)
            raise GitHubUnavailable(str(refusal)) from None
        except UNUSABLE as error:
            if not self._works:
                raise
            raise GitHubUnavailable(
                f"the store cannot say whose it is: {reason_of(error)}"
            ) from error

    async def _claim(self, facts: RepositoryFacts) -> None:
        now = Owner(self._settings.api_url, facts.id, facts.full_name)
        owner = await self._owners.claim(now)
        self._require(owner, facts.id, facts.full_name)
        self._known.id, self._recorded_name = owner.id, owner.full_name

    def _require(self, owner: Owner, number: int, name: str) -> None:
        if (owner.api_url.casefold(), owner.id) == (self._settings.api_url.casefold(), number):
            return
        ours = f"{name} (id {number})" if number != owner.id else name
        raise StoreError(
            f"{shown(self._settings.database_url)} belongs to {owner.full_name} (id {owner.id}) of "
            f"{owner.api_url}, and GITHUB_REPOSITORY is {ours} of {self._settings.api_url}: give "
            "each repository a database of its own with DATABASE_URL, or correct "
            "GITHUB_REPOSITORY and GITHUB_API_URL"
        )

    def _go_by_name(self, owner: Owner | None, error: Exception) -> None:
        name, reason = self._settings.repository, str(error) or "it takes too long"
        if owner is not None and owner.full_name.casefold() != name.casefold():
            raise StoreError(
                f"{shown(self._settings.database_url)} belongs to {owner.full_name}, and "
                f"GITHUB_REPOSITORY is {name}. Whether that is the same one under a new name can "
                f"only be asked of GitHub, which does not answer ({reason}): start again when it "
                "does, or give each repository a database of its own with DATABASE_URL"
            )
        level = logging.ERROR if isinstance(error, GitHubDenied) else logging.WARNING
        log.log(level, "GitHub cannot be asked which repository %s is: %s", name, reason)

    def _refuse(self, refusal: StoreError) -> None:
        self.refusal, self._known.refusal = refusal, str(refusal)
        if self._works:
            log.critical("%s", refusal)
            self._end()

    async def _note_name(self, facts: RepositoryFacts) -> None:
        configured, name = self._settings.repository, facts.full_name
        if name.casefold() != configured.casefold():
            log.warning(
                "repository %s is called %s now; the bot goes on with it by its id. Set "
                "GITHUB_REPOSITORY=%s before the old name is given to another repository",
                *(configured, name, name),
            )
        if name != self._recorded_name:
            await self._owners.renamed(Owner(self._settings.api_url, facts.id, name))
            self._recorded_name = name
