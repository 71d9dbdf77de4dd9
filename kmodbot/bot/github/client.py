"""One client for GitHub's REST API: authentication, pace, limits and errors in one place."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import gidgethub
from cachetools import LRUCache

from kmodbot.bot.github.denials import denied
from kmodbot.bot.github.errors import (
    GitHubDenied,
    GitHubGone,
    GitHubLimited,
    GitHubMoved,
    GitHubRefused,
    GitHubUnauthorized,
    GitHubUnavailable,
    classify,
)
from kmodbot.bot.github.identity import Identity
from kmodbot.bot.github.pace import Pace, Shared, Silence, Unshared
from kmodbot.bot.github.quota import Quota
from kmodbot.bot.github.tokens import InstallationTokens, Purpose
from kmodbot.bot.github.transport import HEADERS, CallObserver, Transport, Unobserved, kind_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from kmodbot.bot.github.pace import Wanted
    from kmodbot.bot.secrets import Secret
    from kmodbot.bot.settings import Settings

log = logging.getLogger(__name__)

_CACHED_ANSWERS = 512
_JSON = "application/vnd.github+json"
# What else the App may be answered as itself is about what it asks for.
_DENIALS = frozenset({401, 403})


class GitHubClient:
    """Calls GitHub for one repository. Paths begin below ``/repos/{owner}/{name}``.

    A repository that was renamed or transferred is called by its id, where GitHub sends us.

    Every call raises :class:`GitHubUnavailable` when it may succeed later, :class:`GitHubRefused`
    when it will not. Writes wait for each other, with a pause between them. ``quota`` is what is
    left of the installation's hourly limit.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: Settings,
        observer: CallObserver | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._observer = observer or Unobserved()
        self.quota = Quota()
        base = {"base_url": settings.api_url}
        # The App itself has a limit of its own, which nothing of ours comes near.
        self._as_app = Transport(session, self._observer, None, **base)
        # An ETag belongs to the token that fetched it, so only the reader, with one token for its
        # whole hour, has a cache.
        cache: LRUCache[Any, Any] = LRUCache(_CACHED_ANSWERS)
        self._reader = Transport(session, self._observer, self.quota, cache=cache, **base)
        self._writer = Transport(session, self._observer, self.quota, **base)
        self._identity = Identity(settings.app_id, settings.private_key)
        self._repository, self._known = settings.repository, settings.known
        self._tokens = InstallationTokens(
            self._repository, self._ask_as_app, self._identity.now, self._known
        )
        self._confirm: Callable[[], Awaitable[object]] | None = None
        self._has_moved: Callable[[], None] = _nothing
        self._shared = shared or Unshared()
        self._pace = Pace(settings.write_seconds, self._shared)
        self._silence = Silence()

    def confirm_with(
        self, confirm: Callable[[], Awaitable[object]], has_moved: Callable[[], None]
    ) -> None:
        """Await ``confirm`` before anything else is done with a repository that is not confirmed.

        ``has_moved`` is called when GitHub sends calls of the repository elsewhere.
        """
        self._confirm, self._has_moved = confirm, has_moved

    async def must_wait_to_write(self) -> bool:
        """Tell whether a write would have to wait for others, of this process or of another."""
        return await self._pace.must_wait()

    def turn(self, is_wanted: Wanted | None = None) -> AbstractAsyncContextManager[bool]:
        """Wait for the turn to write, for those who have to know when theirs has come.

        Writes within it are made with ``in_turn``, because all others wait for its end. Where
        ``is_wanted`` says no while other processes write, there is none.
        """
        return self._pace.turn(is_wanted)

    async def get_ready(self, purpose: Purpose) -> None:
        """Do what comes before a call, so that only the call itself is left to go wrong."""
        await self._token(purpose)

    async def get(self, path: str, *, accept: str = _JSON, cached: bool = True) -> Any:
        """Read one thing. What is unlikely to be asked again need not be ``cached``."""
        transport = self._reader if cached else self._writer

        async def call(token: str, url: str) -> Any:
            return await transport.getitem(
                url, None, accept=accept, oauth_token=token, extra_headers=HEADERS
            )

        answer = await self._as_installation(Purpose.READ, path, call)
        if accept == _JSON and not isinstance(answer, (dict, list)):
            raise GitHubUnavailable("GitHub sent an answer that is not JSON")
        return answer

    async def open(self, path: str, *, accept: str) -> aiohttp.ClientResponse:
        """Return the beginning of an answer: a redirect, which is not followed, or bytes.

        The caller closes it.
        """

        async def call(token: str, url: str) -> aiohttp.ClientResponse:
            return await self._writer.open(url, accept, token)

        answer: aiohttp.ClientResponse = await self._as_installation(Purpose.DOWNLOAD, path, call)
        return answer

    async def get_or_none(self, path: str, **options: Any) -> Any:
        """Read one thing, or None where there is none."""
        try:
            return await self.get(path, **options)
        except GitHubGone:
            return None

    async def post(
        self, path: str, data: dict[str, Any], purpose: Purpose, *, in_turn: bool = False
    ) -> Any:
        """Create something."""
        return await self._write(self._writer.post, path, data, purpose, in_turn=in_turn)

    async def put(self, path: str, data: dict[str, Any], purpose: Purpose) -> Any:
        """Replace something."""
        return await self._write(self._writer.put, path, data, purpose)

    async def patch(self, path: str, data: dict[str, Any], purpose: Purpose) -> Any:
        """Change something."""
        return await self._write(self._writer.patch, path, data, purpose)

    async def delete(self, path: str, purpose: Purpose) -> None:
        """Remove something."""
        await self._write(self._writer.delete, path, b"", purpose)

    async def page_as_app(self, path: str) -> tuple[Any, str | None]:
        """Read one page of a list of the App's own; return it and the address of the next one.

        Raises:
            GitHubDenied: GitHub does not let the App in.

        """
        try:
            page: tuple[Any, str | None] = await self._identified(
                lambda jwt: self._as_app.page(path, jwt)
            )
        except GitHubRefused as error:
            if error.status not in _DENIALS:
                raise
            denial = denied(error)
            self._observer.denied(kind_of(path), denial.reason)
            raise denial from error
        return page

    async def post_as_app(self, path: str) -> None:
        """Ask for something to be done for the App itself."""
        async with self._pace:
            await self._ask_as_app("POST", path, {})

    async def _write(
        self,
        method: Callable[..., Awaitable[Any]],
        path: str,
        data: object,
        purpose: Purpose,
        *,
        in_turn: bool = False,
    ) -> Any:
        async def call(token: str, url: str) -> Any:
            return await method(url, None, data=data, oauth_token=token, extra_headers=HEADERS)

        async with nullcontext() if in_turn else self._pace:
            self._pace.written()
            answer = await self._as_installation(purpose, path, call)
        if isinstance(answer, str):
            raise GitHubUnavailable("GitHub sent an answer that is not JSON")
        return answer

    async def _as_installation(
        self, purpose: Purpose, path: str, call: Callable[[str, str], Awaitable[Any]]
    ) -> Any:
        await self._find_out(path)
        url = self._known.home(self._repository) + path
        try:
            return await self._with_token(purpose, lambda token: call(token, url))
        except GitHubMoved as moved:
            there = self._follow(url, moved)
        await self._find_out(path)
        return await self._with_token(purpose, lambda token: call(token, there))

    async def _find_out(self, path: str) -> None:
        """Make sure that the repository is ours before something of it is asked or changed."""
        if self._known.refusal is not None:
            raise GitHubUnavailable(self._known.refusal)
        if path and not self._known.confirmed and self._confirm is not None:
            await self._confirm()

    def _follow(self, url: str, moved: GitHubMoved) -> str:
        """Return where a call of ``url`` goes on; raise what moved it when that is nowhere."""
        found = self._known.follow(url, moved.location)
        if found is None:
            raise moved
        there, is_news = found
        if is_news:
            log.warning("repository %s has moved; it is called by its id", self._repository)
            self._tokens.forget()
            self._has_moved()
        return there

    async def _with_token(self, purpose: Purpose, call: Callable[[str], Awaitable[Any]]) -> Any:
        token = await self._token(purpose)
        try:
            return await self._obeying(call, token.reveal())
        except GitHubUnauthorized:
            # A token ends early when the App's key or installation changes.
            self._tokens.drop(purpose, token)
        token = await self._token(purpose)
        return await self._obeying(call, token.reveal())

    async def _token(self, purpose: Purpose) -> Secret:
        try:
            return await self._tokens.get(purpose)
        except GitHubDenied as denial:
            self._observer.denied("token", denial.reason)
            raise

    async def _ask_as_app(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        async def call(jwt: str, url: str = url) -> Any:
            if method == "GET":
                return await self._as_app.getitem(url, None, jwt=jwt, extra_headers=HEADERS)
            return await self._as_app.post(url, None, data=body, jwt=jwt, extra_headers=HEADERS)

        try:
            return await self._identified(call)
        except GitHubMoved as moved:
            there = self._follow(url, moved)
        return await self._identified(lambda jwt: call(jwt, there))

    async def _identified(self, call: Callable[[str], Awaitable[Any]]) -> Any:
        jwt = self._identity.token()
        try:
            answer = await self._obeying(call, jwt)
        except GitHubUnauthorized:
            # The clock of this machine may be wrong; GitHub's answer says what time it is there.
            self._identity.refused(jwt, self._as_app.date)
            answer = await self._obeying(call, self._identity.token())
        self._identity.set_clock(self._as_app.date)
        return answer

    async def _obeying(self, call: Callable[[str], Awaitable[Any]], token: str) -> Any:
        """Make a call, unless GitHub has told us to be silent for now."""
        await self._listen_to_others()
        self._silence.check()
        try:
            answer = await _translated(call(token))
        except GitHubLimited as limit:
            seconds = self._silence.begin(limit)
            self._park(seconds)
            await self._shared.be_silent(seconds, self._silence.unsaid)
            raise
        if self._silence.end():
            self._observer.parked(None)
        return answer

    async def _listen_to_others(self) -> None:
        seconds, unsaid = await self._shared.silence()
        if self._silence.join(seconds, unsaid):
            self._park(seconds)

    def _park(self, seconds: float) -> None:
        self._observer.parked(datetime.now(UTC) + timedelta(seconds=seconds))


def _nothing() -> None:
    """Do nothing."""


async def _translated(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except gidgethub.HTTPException as error:
        raise classify(error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # A cut-off or garbled body: not JSON, not UTF-8, or JSON of another shape.
        raise GitHubUnavailable("GitHub sent an answer that cannot be read") from error
