"""What the loader says while it works: lines with seconds, and a moving one on a terminal."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLEAR = "\r\x1b[K"


class Progress:
    """Writes to one stream (standard error) and keeps the seconds of each phase."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = {}

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        """Write one line."""
        self._write(f"[{self.elapsed():6.1f}s] {text}\n")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of the block towards the phase."""
        start = self.elapsed()
        try:
            yield
        finally:
            spent = self.elapsed() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show on a terminal that, and for how long, the block has been waiting."""
        if not self._stream.isatty():
            yield
            return
        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(text, over), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()
            self._write("")

    def _tick(self, text: str, over: threading.Event) -> None:
        while True:
            self._write(f"[{self.elapsed():6.1f}s] {text} ...")
            if over.wait(0.5):
                return

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(f"{_CLEAR}{text}" if self._stream.isatty() else text)
            self._stream.flush()
