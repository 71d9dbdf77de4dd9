"""Requests for builds: who asks how often, each target once at a time, and a short memory.

Thousands of nodes may boot on one kernel at once. What they ask is answered once, and the answer
holds for a second, so that the store is read for each target and not for each node.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachetools import LRUCache, TTLCache

from kmodbot.bot.auth.limits import RateLimit
from kmodbot.bot.errors import ApiError, RateLimited
from kmodbot.bot.store.audit import subject_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kmodbot.bot.auth.caller import Caller
    from kmodbot.bot.build import Target
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.dispatch import Dispatcher, Outcome
    from kmodbot.bot.lookups import Lookups
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.audit import Audit
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)

_SECONDS_REMEMBERED = 1.0
_REMEMBERED = 4096
_SECONDS_WHEN_BUSY = 30
# One refusal of a caller leaves a row in the audit trail; the others of the same minute do not.
_SECONDS_BETWEEN_REFUSALS = 60.0


@dataclass(frozen=True)
class Wanted:
    """What a valid request asks for: a target with its key, and whether in spite of a failure."""

    target: Target
    key: str
    force: bool = False


@dataclass(frozen=True)
class Answer:
    """An answer of the API, ready to be sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Busy(ApiError):
    """More builds are in flight than the operator allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too_many_builds",
            f"{limit} builds are in flight, the most that are allowed; ask again",
            retry_after=_SECONDS_WHEN_BUSY,
        )


class Requests:
    """Answers requests for builds. ``render`` makes the answer of the API out of an outcome."""

    def __init__(
        self,
        settings: Settings,
        dispatcher: Dispatcher,
        builds: Builds,
        audit: Audit,
        changes: Changes,
        lookups: Lookups,
        render: Callable[[Target, Outcome], Awaitable[Answer]],
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._builds = builds
        self._audit = audit
        self._lookups = lookups
        self._render = render
        self._limit = RateLimit(settings.rate_per_minute)
        self._under_way: dict[str, asyncio.Task[tuple[Answer, Answer]]] = {}
        self._admitted = 0
        # Never longer than the operator lets an index of packages be old.
        seconds = min(_SECONDS_REMEMBERED, settings.index_seconds)
        self._remembered: TTLCache[str, Answer] = TTLCache(_REMEMBERED, seconds)
        self._keys: LRUCache[str, str] = LRUCache(_REMEMBERED)
        self._version = 0
        self._refusals: TTLCache[tuple[str, str], None] = TTLCache(
            _REMEMBERED, _SECONDS_BETWEEN_REFUSALS
        )
        changes.listen(self._forget)

    async def ask(self, wanted: Wanted, caller: Caller) -> Answer:
        """Answer a caller that wants a package.

        Raises:
            ApiError: nothing was started, or it is not known whether it was.
            GitHubError: as for :meth:`Dispatcher.request`.

        """
        if wanted.force:
            self._remembered.pop(wanted.key, None)
            return (await self._answer(wanted, caller))[0]
        answer = self._remembered.get(wanted.key)
        return answer or await self._join(wanted, caller)

    async def _join(self, wanted: Wanted, caller: Caller) -> Answer:
        """Ask together with those who ask for the same; who comes first pays for all."""
        while True:
            task = self._under_way.get(wanted.key)
            first = task is None
            if task is None:
                task = asyncio.create_task(self._answer(wanted, caller))
                self._under_way[wanted.key] = task
                task.add_done_callback(lambda done: self._land(wanted.key, done))
            try:
                # One caller that goes away must not take the answer from the others.
                answers = await asyncio.shield(task)
            except RateLimited as limit:
                if first or limit.caller == caller.name:
                    raise
                # Somebody else asks too much; that is not held against this caller.
                continue
            return answers[0] if first else answers[1]

    def _land(self, key: str, task: asyncio.Task[tuple[Answer, Answer]]) -> None:
        del self._under_way[key]
        # Those who waited got the error; where nobody is left, nobody misses it.
        if not task.cancelled():
            task.exception()

    async def _answer(self, wanted: Wanted, caller: Caller) -> tuple[Answer, Answer]:
        """Return the answer to who asked first, and the one to all others."""
        version = self._version
        outcome = await self._request(wanted, caller)
        first = await self._render(wanted.target, outcome)
        if not outcome.started:
            self._remember(wanted.key, outcome, first, version)
            return first, first
        return first, await self._render(wanted.target, replace(outcome, started=False))

    async def _request(self, wanted: Wanted, caller: Caller) -> Outcome:
        admitted = False

        async def admit() -> None:
            nonlocal admitted
            await self._admit(caller)
            admitted = True
            self._admitted += 1

        action = "build.force" if wanted.force else "build.request"
        try:
            outcome = await self._dispatcher.request(
                wanted.target,
                caller=caller.name,
                action=action,
                force=wanted.force,
                look=lambda: self._lookups.admit(caller.name),
                admit=admit,
            )
        except (RateLimited, Busy) as refusal:
            await self._record_refusal(caller, action, wanted.target, refusal)
            raise
        finally:
            self._admitted -= admitted
        if admitted and not outcome.started:
            self._limit.give_back(caller.name)
        return outcome

    async def _admit(self, caller: Caller) -> None:
        """Let a caller start a build.

        What is answered without a new build is not counted: a thousand nodes with one token may
        all boot at once, as long as they do not bring a thousand new kernels.
        """
        wait = self._limit.take(caller.name)
        if wait:
            message = f"this caller starts too many builds; ask again in {wait} s"
            raise RateLimited(caller.name, wait, message)
        most = self._settings.max_builds
        if await self._builds.in_flight() + self._admitted >= most:
            self._limit.give_back(caller.name)
            raise Busy(most)

    def _remember(self, key: str, outcome: Outcome, answer: Answer, version: int) -> None:
        # An answer that a change has overtaken meanwhile is not worth keeping.
        if version != self._version:
            return
        self._remembered[key] = answer
        if outcome.build is not None:
            self._keys[outcome.build.id] = key

    def _forget(self, build_id: str) -> None:
        self._version += 1
        key = self._keys.pop(build_id, None)
        if key is not None:
            self._remembered.pop(key, None)

    async def _record_refusal(
        self, caller: Caller, action: str, target: Target, refusal: ApiError
    ) -> None:
        if (caller.name, refusal.code) in self._refusals:
            return
        self._refusals[caller.name, refusal.code] = None
        row = (caller.name, action, subject_of(target), f"refused: {refusal.code}")
        try:
            await self._audit.record(*row)
        except Exception:
            # It is refused all the same; the log has to stand in for the trail.
            log.exception("the audit trail cannot be written: %s", " | ".join(row))
