"""Programs that the demo runs: each speaks in the demo's own lines and ends with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.show import Show

HERE = Path(__file__).resolve().parents[1]
LOADER = HERE / "dist" / "driver-loader.pyz"
_GRACE_SECONDS = 15


class Program:
    """A running program whose output appears among the demo's lines."""

    def __init__(
        self, show: Show, speaker: str | None, process: asyncio.subprocess.Process
    ) -> None:
        self._show = show
        self._speaker = speaker
        self._process = process
        self._relay = asyncio.create_task(self._speak())
        self._output = asyncio.create_task(self._collect())

    @classmethod
    async def start(
        cls, show: Show, speaker: str | None, command: list[str], environment: Mapping[str, str]
    ) -> Program:
        """Start a program with exactly the given variables, plus PATH; silent without speaker."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(show, speaker, process)

    async def finish(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was written to standard output."""
        output = await asyncio.shield(self._output)
        await asyncio.shield(self._relay)
        return await self._process.wait(), output

    @property
    def ended(self) -> bool:
        """Whether the program has ended by itself."""
        return self._process.returncode is not None

    async def stop(self) -> None:
        """Ask the program to stop, as a service manager does, and wait until it has."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.finish(), _GRACE_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self.finish()

    async def _collect(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  # start() asks for a pipe
        return (await self._process.stdout.read()).decode(errors="replace")

    async def _speak(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  # start() asks for a pipe
        async for line in self._process.stderr:
            if self._speaker is not None:
                self._show.line(self._speaker, escape(line.decode(errors="replace").rstrip()))


async def run_tool(*command: str | Path) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        RuntimeError: it failed; the message has its errors.

    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")


def kmodbot(*arguments: str) -> list[str]:
    """Return the command line of a ``kmodbot`` command."""
    return [sys.executable, "-m", "kmodbot.cli", *arguments]
