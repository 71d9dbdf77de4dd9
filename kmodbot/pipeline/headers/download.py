"""Files from servers: resumed, tried again, verified, kept by content, one at a time per host."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kmodbot.pipeline.errors import HeadersNotFound, NoAnswer
from kmodbot.pipeline.headers.deadline import require_time, seconds_left
from kmodbot.pipeline.headers.locks import locked
from kmodbot.pipeline.headers.store import (
    Record,
    Store,
    digest_of,
    read_record,
    write_record,
)
from kmodbot.pipeline.headers.transfer import Pace, Trouble, opened, shown, status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

_LARGEST = 1 << 30
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_PARTIAL_CONTENT, _NOT_MODIFIED, _RANGE_NOT_SATISFIABLE = 206, 304, 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class Absent(HeadersNotFound):
    """The server says that the file is not there: 403, 404, 410."""


class Unreachable(NoAnswer):
    """No usable answer after all tries: errors, resets, too slow, truncated, another content."""


@dataclass(frozen=True)
class _Wanted:
    url: str
    sha256: str
    size: int | None
    limit: int


class Downloader:
    """Downloads into `cache`; several threads and processes may share that directory."""

    def __init__(self, cache: Path, log: Log, wait: Callable[[float], None] = time.sleep) -> None:
        self._cache = cache
        self._log = log
        self._wait = wait
        self._pace = Pace.from_environment()
        self._store = Store(cache / "downloads")

    def fetch(self, url: str, *, sha256: str | None = None, size: int | None = None) -> Path:
        """Return the file at `url`, named by its sha256 below the cache.

        With `sha256` a file that is there is returned without a request; else the server is asked
        whether it changed. `size` is in bytes. Raises Absent or Unreachable.
        """
        if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError(f"expected the 64 small hexadecimal digits of a sha256, got {sha256}")
        return self._fetch(_Wanted(url, sha256 or "", size, _LARGEST))

    def read(self, url: str, limit: int = 10_000_000) -> bytes:
        """Return a small document; one of more than `limit` bytes is Unreachable."""
        return self._fetch(_Wanted(url, "", None, limit)).read_bytes()

    def _fetch(self, wanted: _Wanted) -> Path:
        # Two that want the same file: the second finds it there.
        with locked(self._cache / "locks" / f"file-{self._store.partial(wanted.url).name}"):
            kept = self._store.find(wanted.sha256)
            if kept is not None:
                self._log.line(f"headers: {shown(wanted.url)}: in the cache (0.0 s)")
                return kept
            return self._patiently(wanted)

    def _patiently(self, wanted: _Wanted) -> Path:
        try:
            require_time()
        except HeadersNotFound as error:
            raise HeadersNotFound(f"{shown(wanted.url)}: {error}") from None
        began = time.monotonic()
        number = 1
        while True:
            started = time.monotonic()
            try:
                path, outcome = self._once(wanted)
            except Trouble as trouble:
                self._say(wanted.url, str(trouble), started)
                pause = _pause(trouble, number)
                if not self._worth_another(trouble, number) or seconds_left() <= pause:
                    raise _failure(wanted.url, trouble, number, began) from None
                self._wait(pause)
                number += 1
            else:
                self._say(wanted.url, outcome, started)
                return path

    def _worth_another(self, trouble: Trouble, number: int) -> bool:
        patient = trouble.retry_after <= _LONGEST_PAUSE
        return trouble.again and patient and number < self._pace.tries

    def _say(self, url: str, outcome: str, started: float) -> None:
        seconds = time.monotonic() - started
        self._log.line(f"headers: {shown(url)}: {outcome} ({seconds:.1f} s)")

    def _once(self, wanted: _Wanted) -> tuple[Path, str]:
        partial = self._store.partial(wanted.url)
        before = read_record(self._store.seen(wanted.url))
        kept = None if wanted.sha256 else self._store.find(before.sha256)
        begun = self._begun(partial, wanted)
        headers = begun or (before.unchanged() if kept else {})
        with opened(self._cache, wanted.url, headers, self._pace) as response:
            status = status_of(response)
            if status == _NOT_MODIFIED and kept is not None:
                return kept, "304, in the cache"
            if status == _RANGE_NOT_SATISFIABLE or (status != _PARTIAL_CONTENT and begun):
                partial.unlink(missing_ok=True)
            if status in {_NOT_MODIFIED, _RANGE_NOT_SATISFIABLE}:
                raise Trouble(f"{status}, starting over", again=True)
            record = self._receive(response, partial, wanted)
        return self._accept(partial, wanted, record), f"{status}, {record.size / 1e6:.1f} MB"

    def _begun(self, partial: Path, wanted: _Wanted) -> dict[str, str]:
        """Return the headers that go on with a broken download, none when there is none."""
        record = read_record(partial.with_suffix(".json"))
        # Without a validator only the checksum tells whether both parts are of one file.
        usable = bool(record.if_range or wanted.sha256)
        if not usable or not partial.exists() or partial.stat().st_size == 0:
            partial.unlink(missing_ok=True)
            return {}
        headers = {"Range": f"bytes={partial.stat().st_size}-"}
        if record.if_range:
            headers["If-Range"] = record.if_range
        return headers

    def _receive(self, response: Any, partial: Path, wanted: _Wanted) -> _Received:
        start = _start(response, partial)
        total = _length(response)
        whole = None if total is None else start + total
        _require_size(whole, wanted, partial)
        record = Record.of(response)
        write_record(partial.with_suffix(".json"), record)
        with partial.open("ab" if start else "wb") as file:
            for piece in self._pace.pieces(response):
                file.write(piece)
                if file.tell() > wanted.limit:
                    _require_size(file.tell(), wanted, partial)
            size = file.tell()
        if whole is not None and size != whole:
            raise Trouble(f"broke off at {size} of {whole} bytes", again=True)
        _require_size(size, wanted, partial)
        return _Received(record, size)

    def _accept(self, partial: Path, wanted: _Wanted, received: _Received) -> Path:
        digest = digest_of(partial)
        if wanted.sha256 and digest != wanted.sha256:
            partial.unlink()
            raise Trouble(f"has sha256 {digest}, expected {wanted.sha256}", again=True)
        partial.with_suffix(".json").unlink(missing_ok=True)
        write_record(self._store.seen(wanted.url), replace(received.record, sha256=digest))
        return self._store.keep(partial, digest)


@dataclass(frozen=True)
class _Received:
    record: Record
    size: int


def _start(response: Any, partial: Path) -> int:
    """Return how many bytes of the file are there already."""
    if status_of(response) != _PARTIAL_CONTENT:
        return 0
    there = partial.stat().st_size if partial.exists() else 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range") or "")
    if match is None or int(match[1]) != there:
        partial.unlink(missing_ok=True)
        raise Trouble("206 for another range than asked for", again=True)
    return there


def _length(response: Any) -> int | None:
    text = response.headers.get("Content-Length") or ""
    return int(text) if text.isdecimal() else None


def _require_size(size: int | None, wanted: _Wanted, partial: Path) -> None:
    if size is None or (size == (wanted.size or size) and size <= wanted.limit):
        return
    # What is wrong as a whole is nothing to go on with.
    partial.unlink(missing_ok=True)
    if size > wanted.limit:
        raise Trouble(f"has more than {wanted.limit} bytes")
    raise Trouble(f"has {size} bytes, expected {wanted.size}", again=True)


def _pause(trouble: Trouble, number: int) -> float:
    """Return the seconds to wait: what the server asks for, and a random part that grows."""
    step = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (number - 1))
    return trouble.retry_after + random.uniform(step / 2, step)  # noqa: S311 - no secret is made


def _failure(url: str, trouble: Trouble, tries: int, began: float) -> HeadersNotFound:
    counted = f", {tries} tries" if tries > 1 else ""
    if trouble.retry_after > _LONGEST_PAUSE:
        counted += f", asks to come back in {trouble.retry_after:.0f} s"
    kind = Absent if trouble.absent else Unreachable
    return kind(f"{shown(url)}: {trouble} ({time.monotonic() - began:.1f} s{counted})")
