"""Installation tokens: one for each purpose, with no more rights than the purpose needs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from cachetools import TLRUCache
from dateutil.parser import isoparse

from kmodbot.bot.github.denials import denied
from kmodbot.bot.github.errors import GitHubGone, GitHubRefused
from kmodbot.bot.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.repository import KnownRepository

# A token lives for an hour; one that is about to end is not handed out any more.
# https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
_MARGIN_SECONDS = 300


class Purpose(Enum):
    """What a token is for, with the permissions that this needs.

    https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
    """

    READ = (("actions", "read"), ("contents", "read"), ("pull_requests", "read"))
    DOWNLOAD = (("contents", "read"),)
    DISPATCH = (("actions", "write"),)
    PROPOSE = (("contents", "write"), ("pull_requests", "write"))

    @property
    def permissions(self) -> dict[str, str]:
        """The permissions in the form that GitHub's API takes."""
        return dict(self.value)


@dataclass(frozen=True)
class _Token:
    value: Secret
    expires_at: float


class InstallationTokens:
    """Mints tokens of the App's installation on one repository and keeps them while they live.

    ``ask(method, url, body)`` performs one call to GitHub as the App itself, ``now()`` returns
    GitHub's time in seconds since 1970. What is ``known`` of the repository outweighs its name.
    """

    def __init__(
        self,
        repository: str,
        ask: Callable[[str, str, dict[str, Any] | None], Awaitable[Any]],
        now: Callable[[], float],
        known: KnownRepository,
    ) -> None:
        self._repository = repository
        self._known = known
        self._ask = ask
        self._installation: int | None = None
        self._locks: defaultdict[Purpose, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._cache: TLRUCache[Purpose, _Token] = TLRUCache(
            maxsize=len(Purpose), ttu=lambda _, token, __: token.expires_at, timer=now
        )

    async def get(self, purpose: Purpose) -> Secret:
        """Return a token that is good for some minutes at least.

        Concurrent callers share one request to GitHub.

        Raises:
            GitHubDenied: GitHub gives the App no such token.

        """
        async with self._locks[purpose]:
            token = self._cache.get(purpose)
            if token is None:
                token = await self._mint(purpose)
                self._cache[purpose] = token
            return token.value

    def drop(self, purpose: Purpose, refused: Secret) -> None:
        """Forget a token that GitHub refused, unless another has taken its place already."""
        token = self._cache.get(purpose)
        if token is not None and token.value == refused:
            del self._cache[purpose]

    def forget(self) -> None:
        """Forget the installation and its tokens: in another account there is another one."""
        self._installation = None
        self._cache.clear()

    async def _mint(self, purpose: Purpose) -> _Token:
        try:
            answer = await self._request(purpose)
        except GitHubGone:
            # A new installation of the App has another id.
            self._installation = None
            answer = await self._again(purpose)
        except GitHubRefused as error:
            raise denied(error) from error
        expires_at = isoparse(answer["expires_at"]).timestamp() - _MARGIN_SECONDS
        return _Token(Secret(answer["token"]), expires_at)

    async def _again(self, purpose: Purpose) -> Any:
        try:
            return await self._request(purpose)
        except GitHubRefused as error:
            raise denied(error) from error

    async def _request(self, purpose: Purpose) -> Any:
        if self._installation is None:
            url = f"{self._known.home(self._repository)}/installation"
            self._installation = int((await self._ask("GET", url, None))["id"])
        scope = self._known.scope(self._repository) | {"permissions": purpose.permissions}
        path = f"/app/installations/{self._installation}/access_tokens"
        return await self._ask("POST", path, scope)
