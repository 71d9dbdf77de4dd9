"""Bots as real processes that start fast, because they are forked from one that has them loaded.

Run as a script: every line of the standard input is a JSON object with the ``environment`` of a
bot, and with ``commits``, after how many of them it kills itself (0 for never). ``started PID`` and
``ended PID STATUS`` are printed for each. When the input ends, so do they.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from kmodbot.bot.__main__ import serve
from kmodbot.bot.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection


T = TypeVar("T")


def main() -> None:
    """Fork a bot for each line until the input ends."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    alive: set[int] = set()
    while True:
        ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
        for pid in [*alive]:
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                alive.discard(pid)
                tell(f"ended {pid} {os.waitstatus_to_exitcode(status)}")
        if sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if not line:
                break
            alive.add(fork(json.loads(line)))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def fork(order: dict[str, object]) -> int:
    """Start a bot and return its process id."""
    pid = os.fork()
    if pid:
        tell(f"started {pid}")
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    commits, environment = order["commits"], order["environment"]
    assert isinstance(commits, int)
    assert isinstance(environment, dict)
    if commits:
        die_after(commits)
    os._exit(serve(environment))


def tell(what: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def die_after(commits: int) -> None:
    """Let this process die as soon as that many transactions are committed."""
    writing, write, left = Database.writing, Database.write, commits

    def committed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @asynccontextmanager
    async def counted(self: Database) -> AsyncIterator[AsyncConnection]:
        async with writing(self) as connection:
            yield connection
        committed()

    async def counted_write(self: Database, work: Callable[[Connection], T]) -> T:
        result = await write(self, work)
        committed()
        return result

    Database.writing = counted  # type: ignore[method-assign]
    Database.write = counted_write  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
