"""One request over HTTP and how it can go wrong, with nothing but the standard library."""

from __future__ import annotations

import email.utils
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.headers.locks import host_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_AGENT = "kmodbot-driver-builder"
_PIECE = 1 << 16
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Some object stores answer 403 for what they do not have.
_ABSENT = frozenset({403, 404, 410})
# https://www.rfc-editor.org/rfc/rfc9110#name-status-codes
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Not OSError as a whole: a full disk is no trouble of the network.
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    socket.timeout,
    ssl.SSLError,
)


class Trouble(Exception):
    """A request that did not bring what it should; `str` says what came instead.

    `again`: another try may do better, after `retry_after` seconds at least.
    `absent`: the server says that there is no such file.
    """

    def __init__(
        self, text: str, *, again: bool = False, absent: bool = False, retry_after: float = 0.0
    ) -> None:
        super().__init__(text)
        self.again = again
        self.absent = absent
        self.retry_after = retry_after


@dataclass(frozen=True)
class Pace:
    """What is expected of a server: `floor` bytes in every `window` seconds, within `tries`."""

    window: float = 30.0
    floor: int = 30_000
    tries: int = 4

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Pace:
        """Read KMODBOT_DOWNLOAD_WINDOW (seconds) and KMODBOT_DOWNLOAD_TRIES; raises BadInput."""
        window = positive(environment, "KMODBOT_DOWNLOAD_WINDOW", cls.window)
        tries = positive(environment, "KMODBOT_DOWNLOAD_TRIES", cls.tries)
        return cls(window=window, tries=max(1, int(tries)))

    def pieces(self, response: Any) -> Iterator[bytes]:
        """Give the body as it comes; Trouble when it comes more slowly than the floor."""
        since, got = time.monotonic(), 0
        while True:
            piece = response.read1(_PIECE)
            if not piece:
                return
            yield piece
            got += len(piece)
            if time.monotonic() - since >= self.window:
                if got < self.floor:
                    text = f"too slow ({got} bytes in {self.window:g} s, expected {self.floor})"
                    raise Trouble(text, again=True)
                since, got = time.monotonic(), 0


@contextmanager
def opened(cache: Path, url: str, headers: Mapping[str, str], pace: Pace) -> Iterator[Any]:
    """Give the answer to a GET, redirects followed; its host is locked during the block.

    The answer has `status` 200, 206, 304 or 416. Raises Trouble for everything else.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        _require_address(url)
        with host_lock(cache, url), _naming_errors(pace), _ask(url, headers, pace) as response:
            status = status_of(response)
            if status not in _REDIRECTS:
                _require_success(status, response)
                yield response
                return
            # The next host has a lock of its own: holding two at once could block both.
            url = _redirected(url, response)
    raise Trouble(f"redirected more than {_MOST_REDIRECTS} times")


def status_of(response: Any) -> int:
    """Return the status of an answer; a local file is a success."""
    return int(response.status or http.client.OK)


def shown(url: str) -> str:
    """Return the address as it may stand in a log: without name, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """Has every answer come back, whatever its status, and follows no redirect."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> Any:
        return response

    https_response = http_response


def _ask(url: str, headers: Mapping[str, str], pace: Pace) -> Any:
    wanted = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(url, headers=wanted)  # noqa: S310 - checked by opened
    # Made anew each time, because it reads the proxies of the environment when it is made.
    return urllib.request.build_opener(_AsItIs).open(request, timeout=pace.window)


@contextmanager
def _naming_errors(pace: Pace) -> Iterator[None]:
    try:
        yield
    except _NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, FileNotFoundError):
            raise Trouble("no such file", absent=True) from None
        if isinstance(reason, (TimeoutError, socket.timeout)):
            raise Trouble(f"nothing came for {pace.window:g} s", again=True) from None
        # What a certificate says does not change by asking again.
        again = not isinstance(reason, ssl.SSLCertVerificationError)
        raise Trouble(f"{reason}" or type(reason).__name__, again=again) from None


def _require_success(status: int, response: Any) -> None:
    if status in {200, 206, 304, 416}:
        return
    if status in _ABSENT:
        raise Trouble(str(status), absent=True)
    retry_after = _seconds(response.headers.get("Retry-After"))
    raise Trouble(str(status), again=status in _PASSING, retry_after=retry_after)


def _redirected(url: str, response: Any) -> str:
    location: str = response.headers.get("Location") or ""
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise Trouble("redirected to an unreadable address") from None
    if scheme == "file" or (urlsplit(url).scheme == "https" and scheme != "https"):
        raise Trouble(f"redirected to {shown(target)}, which is not as safe")
    return target


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https", "file"} and "@" not in parts.netloc
        good = good and bool(parts.hostname) is (parts.scheme != "file")
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise Trouble("not an address of http, https or file without a password")


def _seconds(value: str | None) -> float:
    """Read Retry-After: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after."""
    if not value:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, moment.timestamp() - time.time())


def positive(environment: Mapping[str, str], name: str, default: float) -> float:
    """Read a number above 0 and at most 3600 from the variable `name`; raises BadInput."""
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise BadInput(f"{name}: expected a number above 0 and at most 3600, got {text[:40]!a}")
    return value
