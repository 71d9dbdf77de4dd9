"""Wakes those who wait for a build to change."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Changes:
    """Who waits for which build in this process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.closed = False

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
        """Wake those who wait for this build."""
        for event in self._waiting.get(build_id, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody for good: the process is about to stop."""
        self.closed = True
        for build_id in list(self._waiting):
            self.announce(build_id)
