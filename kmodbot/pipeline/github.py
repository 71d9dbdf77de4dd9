"""The few calls to GitHub's REST API that publishing needs, over the standard library.

https://docs.github.com/en/rest/releases/assets
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

_TIMEOUT_SECONDS = 60
_NOT_FOUND = 404
_FORBIDDEN = 403
_TOO_MANY = 429
# What GitHub asks for when it does not say how long.
_PAUSE_SECONDS = 60.0
_SERVER_ERROR = 500


class Transient(BuildError):
    """GitHub did not do it this time; worth another try after `delay` seconds, if it said."""

    def __init__(self, message: str, delay: float | None = None) -> None:
        self.delay = delay
        super().__init__(message)


class Refused(BuildError):
    """GitHub answered with a client error; `body` is its JSON."""

    def __init__(self, what: str, status: int, body: Any) -> None:
        self.status = status
        self.body = body if isinstance(body, dict) else {}
        super().__init__(f"{what}: GitHub answered {status}: {self._reason()}")

    def says(self, field: str, code: str) -> bool:
        """Whether GitHub named this field and code as the reason."""
        return any(
            isinstance(error, dict) and (error.get("field"), error.get("code")) == (field, code)
            for error in self.body.get("errors") or ()
        )

    def _reason(self) -> str:
        errors = self.body.get("errors") or ""
        return f"{self.body.get('message', 'no reason given')} {errors}".strip()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are refused, so that the token never travels to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


@dataclass(frozen=True)
class GitHub:
    """A repository at one API address, with the token to write to its releases."""

    api_url: str
    repository: str
    token: str = field(repr=False)

    def get(self, path: str) -> Any:
        """Return the JSON at `path` below the repository; raises Refused or Transient."""
        return self._call("GET", self._address(path))

    def post(self, path: str, content: Mapping[str, object]) -> Any:
        """Send JSON to `path` below the repository; raises Refused or Transient."""
        return self._call("POST", self._address(path), json.dumps(content).encode())

    def delete(self, path: str) -> None:
        """Delete what is at `path`, or find it gone; raises Refused or Transient."""
        try:
            self._call("DELETE", self._address(path))
        except Refused as error:
            if error.status != _NOT_FOUND:
                raise

    def upload(self, address: str, content: bytes) -> Any:
        """Send the bytes of an asset to the address its release gives."""
        return self._call("POST", address, content, kind="application/octet-stream")

    def _address(self, path: str) -> str:
        return f"{self.api_url.rstrip('/')}/repos/{self.repository}{path}"

    def _call(
        self, method: str, address: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Any:
        what = f"{method} {address.partition('?')[0]}"
        # S310: the address comes from GITHUB_API_URL, checked at the start, or from its answers.
        request = urllib.request.Request(address, data=body, method=method)  # noqa: S310
        request.add_header("Accept", "application/vnd.github+json")
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("User-Agent", "kmodbot-driver-builder")
        request.add_header("X-GitHub-Api-Version", "2022-11-28")
        if body is not None:
            request.add_header("Content-Type", kind)
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise _classified(what, error.code, error.headers, _json(error.read())) from None
        except (OSError, http.client.HTTPException) as error:
            raise Transient(f"{what}: {error}") from None


def _classified(what: str, status: int, headers: Message, body: Any) -> BuildError:
    """Tell "later" from "no".

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    if status >= _SERVER_ERROR:
        return Transient(f"{what}: GitHub answered {status}")
    delay = _delay(status, headers, body)
    if delay is not None:
        return Transient(f"{what}: GitHub asks to wait {delay:.0f} s (status {status})", delay)
    return Refused(what, status, body)


def _delay(status: int, headers: Message, body: Any) -> float | None:
    if status not in (_FORBIDDEN, _TOO_MANY):
        return None
    after = headers.get("Retry-After", "")
    if re.fullmatch("[0-9]{1,6}", after):
        return float(after)
    reset = headers.get("X-RateLimit-Reset", "")
    if headers.get("X-RateLimit-Remaining") == "0" and re.fullmatch("[0-9]{1,12}", reset):
        return max(1.0, int(reset) - time.time())
    limited = status == _TOO_MANY or "secondary rate limit" in str(body)
    return _PAUSE_SECONDS if limited else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None
