"""The bot, as a node talks to it: ask for a build, follow it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import InvalidInput, Kernel, parse_build_id

from . import web
from .failures import BuildFailed, Refused, TimedOut, Unreachable, printable
from .patience import Deadline, patiently

if TYPE_CHECKING:
    from .progress import Progress

_WAIT = 30
_GRACE = 15.0
_SHORTEST_POLL = 1.0
_OK, _ACCEPTED, _NOT_FOUND, _CONFLICT = 200, 202, 404, 409
_REFUSALS = {
    400: "the bot refused: {reason}",
    401: "the bot refused: {reason}; is KMODBOT_TOKEN set and right?",
    403: "the bot does not know this token; is KMODBOT_TOKEN the right one? ({reason})",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Package:
    """A package the bot vouches for."""

    name: str
    url: str
    sha256: str


class Bot:
    """The bot at an address. Calls raise TransientError for what may work the next time."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token

    def ask(self, kernel: Kernel, driver_version: str) -> Package | str:
        """Return the package when it exists, else the id of the build that makes it."""
        wanted = {
            "kernel_version": kernel.release,
            "architecture": kernel.architecture,
            "distribution": kernel.distribution,
            "distro_version": kernel.distro_version,
            "driver_version": driver_version,
        }
        answer = web.call(web.request(f"{self._url}/build", token=self._token, data=wanted), _GRACE)
        if answer.status == _OK:
            return _package(answer)
        if answer.status == _ACCEPTED:
            return _build_id(answer)
        if answer.status == _CONFLICT:
            # It failed a short while ago, and the bot does not try again with every boot.
            raise BuildFailed(f"the build failed: {answer.reason() or 'no reason given'}")
        raise _refusal(answer)

    def status(self, build_id: str, wait: float) -> dict[str, Any] | None:
        """Return where a build stands after at most ``wait`` seconds, None when it is not known."""
        url = f"{self._url}/status/{build_id}?wait={int(wait)}"
        answer = web.call(web.request(url, token=self._token), wait + _GRACE)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise _refusal(answer)
        found = answer.json()
        return {**found, "ready": _package(answer)} if found.get("status") == "done" else found


def build(
    bot: Bot, kernel: Kernel, driver_version: str, deadline: Deadline, progress: Progress
) -> Package:
    """Return the package once it is built; asks again should the bot forget the build."""
    while True:
        answer = patiently(lambda: bot.ask(kernel, driver_version), deadline, progress.say)
        if isinstance(answer, Package):
            return answer
        progress.say(f"build {answer}: asked for")
        package = _follow(bot, answer, deadline, progress)
        if package is not None:
            return package
        progress.say(f"build {answer}: not known to the bot any more; asking again")
        _pause(deadline)


def _follow(bot: Bot, build_id: str, deadline: Deadline, progress: Progress) -> Package | None:
    phase = None
    while deadline.left():
        start = time.monotonic()
        with progress.waiting(f"build {build_id}: {phase or 'waiting'}"):
            found = patiently(
                lambda: bot.status(build_id, min(_WAIT, deadline.left())), deadline, progress.say
            )
        if found is None:
            return None
        if isinstance(found.get("ready"), Package):
            ready: Package = found["ready"]
            return ready
        if found.get("status") == "error":
            raise BuildFailed(_failure(found))
        if found.get("phase") != phase:
            phase = printable(str(found.get("phase")), 40)
            progress.say(f"build {build_id}: {phase}{_run(found)}")
        # A server that does not wait must not be asked without end.
        if time.monotonic() - start < _SHORTEST_POLL:
            _pause(deadline)
    stands = f"build {build_id} is not done yet ({phase or 'waiting'})"
    raise TimedOut(f"{stands}; run again to go on waiting")


def _pause(deadline: Deadline) -> None:
    time.sleep(min(_SHORTEST_POLL, deadline.left()))


def _package(answer: web.Answer) -> Package:
    found = answer.json()
    name, url, sha256 = (found.get(key) for key in ("package", "url", "sha256"))
    if not (isinstance(name, str) and isinstance(url, str) and isinstance(sha256, str)):
        raise Unreachable(f"{answer.url} answered without package, url and sha256")
    if not _SHA256.fullmatch(sha256):
        raise Unreachable(f"{answer.url} answered with a sha256 that is none: {sha256[:80]!a}")
    return Package(name, url, sha256)


def _build_id(answer: web.Answer) -> str:
    try:
        return parse_build_id(str(answer.json().get("build_id")))
    except InvalidInput as error:
        raise Unreachable(f"{answer.url} answered without a build: {error}") from error


def _refusal(answer: web.Answer) -> Refused | Unreachable:
    if answer.status not in _REFUSALS:
        return Unreachable(f"{answer.url} answered {answer.status}; is it the bot's address?")
    answer.json()  # A refusal of the bot is an object; anything else is somebody else's.
    reason = answer.reason() or str(answer.status)
    return Refused(_REFUSALS[answer.status].format(reason=reason))


def _failure(found: dict[str, Any]) -> str:
    reason = printable(str(found.get("error") or "no reason given"))
    return f"the build failed: {reason}{_run(found)}"


def _run(found: dict[str, Any]) -> str:
    return f" ({printable(str(found['run_url']))})" if found.get("run_url") else ""
