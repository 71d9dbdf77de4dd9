"""Wakes those who wait for a build to change, in this process and in others."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Changes:
    """Who waits for which build in this process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listeners: list[Callable[[str], None]] = []
        self._others: list[Callable[[str], None]] = []
        self.closed = False

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the id of every build that changes, as soon as that is known."""
        self._listeners.append(listener)

    def tell_others(self, tell: Callable[[str], None]) -> None:
        """Call ``tell`` with the id of every build that this process changes."""
        self._others.append(tell)

    @contextmanager
    def of(self, build_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the build changes while the block runs."""
        event = asyncio.Event()
        self._waiting[build_id].add(event)
        try:
            yield event
        finally:
            self._waiting[build_id].discard(event)
            if not self._waiting[build_id]:
                del self._waiting[build_id]

    def announce(self, build_id: str) -> None:
        """Say that this process has changed a build."""
        self.heard(build_id)
        for tell in self._others:
            tell(build_id)

    def heard(self, build_id: str) -> None:
        """Wake those in this process who wait for this build."""
        for listener in self._listeners:
            listener(build_id)
        for event in self._waiting.get(build_id, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake everybody who waits in this process: any build may have changed."""
        for build_id in list(self._waiting):
            self.heard(build_id)

    def close(self) -> None:
        """Wake everybody for good: the process is about to stop."""
        self.closed = True
        self.wake_all()
