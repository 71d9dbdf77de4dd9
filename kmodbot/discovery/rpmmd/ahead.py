"""An iterator that works ahead of its consumer in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Pieces that wait at most: enough to keep both sides busy, little enough to stay small.
DEPTH = 8


class _Stopped(Exception):
    """The consumer has gone."""


class _Belt:
    """Hands pieces from one thread to another."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._over = False
        self._stopped = False
        self._error: BaseException | None = None

    def run(self, pieces: Iterable[bytes]) -> None:
        try:
            for piece in pieces:
                self._put(piece)
        except _Stopped:
            return
        except BaseException as error:
            self._error = error
        with self._change:
            self._over = True
            self._change.notify_all()

    def _put(self, piece: bytes) -> None:
        with self._change:
            self._change.wait_for(lambda: self._stopped or len(self._pieces) < DEPTH)
            if self._stopped:
                raise _Stopped
            self._pieces.append(piece)
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._over or self._pieces)
                if not self._pieces:
                    break
                piece = self._pieces.popleft()
                self._change.notify_all()
            yield piece
        if self._error is not None:
            raise self._error


@contextmanager
def ahead(pieces: Iterable[bytes]) -> Iterator[Iterable[bytes]]:
    """Give an iterable of the same pieces that another thread prepares.

    Decompression and hashing let other threads run, so two processors share the work. What the
    other thread raises is raised here; leaving the block ends the thread.
    """
    belt = _Belt()
    thread = threading.Thread(target=belt.run, args=(pieces,), daemon=True)
    thread.start()
    try:
        yield belt
    finally:
        belt.stop()
        thread.join()
