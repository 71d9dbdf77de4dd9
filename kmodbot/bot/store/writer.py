"""A thread that writes to an SQLite file, with a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from kmodbot.bot.store.engines import open_sqlite_writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")


@dataclass(frozen=True)
class _Order:
    """Work, or None for no more, and who waits for it in which loop."""

    work: Callable[[Connection], Any] | None
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]

    def settle(self, result: Any) -> None:
        self._tell(self.done.set_result, result)

    def fail(self, error: BaseException) -> None:
        self._tell(self.done.set_exception, error)

    def _tell(self, tell: Callable[[Any], None], what: Any) -> None:
        def tell_who_waits() -> None:
            if not self.done.done():
                tell(what)

        # The loop is closed when nobody could wait for a work that hung.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(tell_who_waits)


class SQLiteWriter:
    """Carries work out in one transaction each, in the order in which it is given.

    The thread does not keep the process from ending: a lock that another process holds, or a disk
    that hangs, may keep the thread for as long as it likes.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_sqlite_writer(url)
        # Checking the one connection out and in takes longer than a small transaction.
        self._connection: Connection | None = None
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._thread: Thread | None = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` returns, once that is committed; raise what it raises."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="kmodbot-store", daemon=True)
            self._thread.start()
        result: T = await self._hand_over(work)
        return result

    async def close(self) -> None:
        """Wait for the work that was given, and close the connection."""
        if self._thread is not None:
            await self._hand_over(None)
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def give_up(self) -> None:
        """Let those go who wait for work that hangs; whether it will be committed is not known."""
        for done in [*self._waiting]:
            done.cancel()

    def _hand_over(self, work: Callable[[Connection], Any] | None) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        order = _Order(work, loop, loop.create_future())
        self._waiting.add(order.done)
        order.done.add_done_callback(self._waiting.discard)
        self._orders.put(order)
        return order.done

    def _serve(self) -> None:
        while True:
            # Nothing of an order is kept while there is nothing to do.
            if not self._carry_out(self._orders.get()):
                return

    def _transact(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            return work(self._connection)

    def _carry_out(self, order: _Order) -> bool:
        """Do what was ordered; False when that was to end."""
        if order.work is None:
            order.settle(None)
            return False
        # Who went away before its turn wants nothing done.
        if not order.done.cancelled():
            try:
                result = self._transact(order.work)
            except Exception as error:
                order.fail(error)
            else:
                order.settle(result)
        return True
