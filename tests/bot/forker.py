"""The process that bots are forked from, as the tests speak to it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.bot import mortal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Forker:
    """Starts ``kmodbot serve`` within milliseconds; what still runs in the end is killed."""

    _process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", mortal.__name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, environment: Mapping[str, str], *, commits: int = 0) -> int:
        """Start a bot, which dies after so many ``commits`` (0: never); return its process id."""
        assert self._process.stdin is not None
        order = {"environment": dict(environment), "commits": commits}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        (pid,) = await self._told("started")
        return pid

    async def ended(self) -> int:
        """Wait for the end of a bot; return its exit status."""
        _, status = await self._told("ended")
        return status

    async def _told(self, what: str) -> list[int]:
        assert self._process.stdout is not None
        word, *numbers = (await self._process.stdout.readline()).decode().split()
        assert word == what, f"a bot {word} that was to have {what}"
        return [int(number) for number in numbers]
