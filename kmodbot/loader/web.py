"""HTTP with the standard library: answers instead of exceptions."""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .failures import Failure, Unreachable, printable
from .patience import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGENT = "kmodbot-driver-loader"
_LARGEST_ANSWER = 1 << 20
_TOO_MANY = 429
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501


# Not OSError as a whole: a full disk is no trouble of the network.
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    socket.timeout,
    ssl.SSLError,
)


@dataclass(frozen=True)
class Answer:
    """A whole answer of a server that was reached."""

    url: str
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the object in the body; Unreachable when there is none."""
        content = _object(self.body)
        if content is None:
            raise Unreachable(f"{self.url} answered {self.status} without a JSON object")
        return content

    def reason(self) -> str:
        """Return what the bot gives as its reason for an error, empty when it gives none."""
        error = (_object(self.body) or {}).get("error")
        said = error if isinstance(error, dict) else {}
        return printable(": ".join(str(said[key]) for key in ("field", "message") if said.get(key)))


def call(request: urllib.request.Request, timeout: float) -> Answer:
    """Return the answer to a request; redirects are not followed.

    Raises TransientError when the server cannot be reached, is overloaded or broken.
    """
    with _transient(request.full_url), _send(_direct, request, timeout) as response:
        body = response.read(_LARGEST_ANSWER)
        return Answer(request.full_url, response.status, body)


@contextmanager
def opened(request: urllib.request.Request, timeout: float) -> Iterator[http.client.HTTPResponse]:
    """Give the answer to be read piece by piece, redirects followed; errors as with ``call``."""
    with _transient(request.full_url), _send(_following, request, timeout) as response:
        yield response


def request(
    url: str, *, token: str | None = None, data: dict[str, str] | None = None, accept: str = "*/*"
) -> urllib.request.Request:
    """Return a request: POST with a JSON body when there is data, else GET."""
    headers = {"User-Agent": _AGENT, "Accept": accept}
    body = None
    if data is not None:
        body = json.dumps(data).encode()
        headers["Content-Type"] = "application/json"
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Unreachable(f"{url!a} is no address of the web")
    wanted = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked above
    if token:
        # Stays behind when a redirect leads to another server.
        wanted.add_unredirected_header("Authorization", f"Bearer {token}")
    return wanted


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keeps a token from being carried on to wherever a server points."""

    def redirect_request(self, *_: object) -> None:
        return None


_direct = urllib.request.build_opener(_NoRedirect)
_following = urllib.request.build_opener()


def _send(
    opener: urllib.request.OpenerDirector, wanted: urllib.request.Request, timeout: float
) -> Any:
    try:
        return opener.open(wanted, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == _TOO_MANY or (
            error.code >= _SERVER_ERROR and error.code != _NOT_IMPLEMENTED
        ):
            raise _overloaded(wanted.full_url, error) from None
        return error


def _overloaded(url: str, error: urllib.error.HTTPError) -> TransientError:
    body = b""
    with error, suppress(*_NETWORK_ERRORS):
        body = error.read(_LARGEST_ANSWER)
    reason = Answer(url, error.code, body).reason()
    message = f"{_host(url)} answered {error.code}{': ' if reason else ''}{reason}"
    return TransientError(message, _retry_after(error.headers.get("Retry-After")))


@contextmanager
def _transient(url: str) -> Iterator[None]:
    try:
        yield
    except (TransientError, Failure):
        raise
    except _NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise TransientError(f"{_host(url)} cannot be reached ({reason})") from error


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _retry_after(value: str | None) -> float:
    """Return the seconds of a Retry-After header: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after."""
    if not value:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, moment.timestamp() - time.time())
