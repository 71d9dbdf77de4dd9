"""Bots that live in the process of the tests and can die there as if they were killed.

From the moment of its death on a bot changes nothing any more, neither in the store nor at GitHub,
wherever its code was. Each transaction and each call is an effect, so a bot may be told to die
after so many of them.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp.test_utils import TestServer

from kmodbot.bot.app import create_app
from kmodbot.bot.github.transport import Transport
from kmodbot.bot.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping

    import pytest
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kmodbot.bot.settings import Settings

T = TypeVar("T")

_LIVING: contextvars.ContextVar[Life | None] = contextvars.ContextVar("_LIVING", default=None)


class Dead(OSError):
    """What a dead bot is told that still tries to do something while it is cleared away."""


class Life:
    """One bot, from its start to its end."""

    def __init__(self, settings: Settings) -> None:
        self._server = TestServer(create_app(settings))
        self.is_dead = False
        # In the order of their start.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._effects_left: int | None = None
        self._ended = asyncio.Event()
        self._may_close = asyncio.Event()
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        context = contextvars.copy_context()
        context.run(_LIVING.set, self)
        self._main = asyncio.get_running_loop().create_task(self._live(), context=context)
        self._undertaker = asyncio.create_task(self._clear_away())
        self._is_cleared_away = False

    async def url(self) -> str | None:
        """Return the bot's address once it answers; None when it died before."""
        started: set[asyncio.Future[Any]] = {self._ready, self._main}
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        return self._ready.result() if self._ready.done() and not self.is_dead else None

    async def stop(self) -> None:
        """Let the bot end as it does when it is told to."""
        await self.url()
        self._ended.set()
        await self._undertaker

    async def kill(self) -> None:
        """Let the bot end where it is."""
        self.is_dead = True
        self._ended.set()
        await self._undertaker

    def die_after(self, effects: int | None) -> None:
        """Let the bot end where it is once it has had so many more effects; None lets it live."""
        self._effects_left = effects

    def had_effect(self) -> None:
        """Count an effect, which may have been the last."""
        if self._effects_left is None:
            return
        self._effects_left -= 1
        if self._effects_left <= 0:
            self.is_dead = True
            self._ended.set()

    async def goes_on(self) -> None:
        """Return while the bot lives; nothing of a dead one goes on.

        Raises:
            Dead: the bot is being cleared away.

        """
        if self._is_cleared_away:
            raise Dead
        if self.is_dead:
            await asyncio.Event().wait()

    async def _live(self) -> None:
        async with self._server as server:
            self._ready.set_result(str(server.make_url("/")))
            await self._may_close.wait()

    async def _clear_away(self) -> None:
        await self._ended.wait()
        if self.is_dead:
            self._is_cleared_away = True
            if self._server.runner is not None and self._server.runner.server is not None:
                for connection in self._server.runner.server.connections:
                    connection.force_close()
            await self._cancel_all()
        self._may_close.set()
        await self._main
        await self._cancel_all()
        # Connections that the dead still held are closed now, with the locks that they have.
        gc.collect()

    async def _cancel_all(self) -> None:
        """Cancel all that goes on, the youngest first: nobody is told twice, as groups do."""
        while others := [task for task in self.tasks if task is not self._main]:
            others[-1].cancel()
            await asyncio.wait(others[-1:], timeout=1)


def of_life(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    """Make a task, and note down whose it is; a factory of tasks."""
    task = asyncio.Task(work, loop=loop, **options)
    context: Mapping[Any, Any] | None = options.get("context")
    life = _LIVING.get() if context is None else context.get(_LIVING)
    if life is not None:
        life.tasks[task] = None
        task.add_done_callback(life.tasks.pop)
    return task


def make_mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bots that are dead have no effects, and count those of the others."""
    writing, write, request = Database.writing, Database.write, Transport._request

    @asynccontextmanager
    async def mortal_writing(self: Database) -> AsyncIterator[AsyncConnection]:
        async with _effect(), writing(self) as connection:
            yield connection
            await _goes_on()

    async def mortal_write(self: Database, work: Callable[[Connection], T]) -> T:
        async with _effect():
            return await write(self, work)

    async def mortal_request(self: Transport, *arguments: Any) -> Any:
        # A bot may die before GitHub has heard of it, and before it has heard of GitHub.
        async with _effect():
            pass
        async with _effect():
            return await request(self, *arguments)

    monkeypatch.setattr(Database, "writing", mortal_writing)
    monkeypatch.setattr(Database, "write", mortal_write)
    monkeypatch.setattr(Transport, "_request", mortal_request)


async def _goes_on() -> None:
    life = _LIVING.get()
    if life is not None:
        await life.goes_on()


@asynccontextmanager
async def _effect() -> AsyncIterator[None]:
    await _goes_on()
    yield
    life = _LIVING.get()
    if life is not None:
        life.had_effect()
        await life.goes_on()


class Complaints(logging.Handler):
    """Collects what bots that are not dead log about themselves as broken."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    @contextmanager
    def of(self, logger: str) -> Iterator[None]:
        """Listen to a logger within the block."""
        logging.getLogger(logger).addHandler(self)
        try:
            yield
        finally:
            logging.getLogger(logger).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        life = _LIVING.get()
        if record.exc_info and not (life is not None and life.is_dead):
            formatter = logging.Formatter()
            self.messages.append(formatter.format(record))
