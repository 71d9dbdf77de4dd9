"""Webhook deliveries: are they GitHub's, and what do they say? Pure functions.

Nothing beyond this module sees GitHub's JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import KERNELS_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmodbot.bot.secrets import Secret
    from kmodbot.bot.settings import Settings

# Payloads above this size are not sent.
# https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
MAX_PAYLOAD = 25 * 1024 * 1024
_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")


class BadEvent(Exception):
    """A delivery is signed, but does not have the form that GitHub documents."""


@dataclass(frozen=True)
class RunChanged:
    """A workflow run was requested, has started or has ended: ``action`` says which.

    The status beside it may be older than the event: GitHub has sent ``completed`` for a run that
    it called queued in the same payload.
    """

    run_id: int
    action: str


@dataclass(frozen=True)
class ListChanged:
    """The default branch has a new kernels.json."""


Event = RunChanged | ListChanged


def is_signature(header: str | None) -> bool:
    """Tell whether a header has the form of GitHub's sha256 signature."""
    return header is not None and _SIGNATURE.fullmatch(header) is not None


def is_signed(payload: bytes, signature: str, secrets: Iterable[Secret]) -> bool:
    """Check a signature against every configured secret, so that secrets can be rotated.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    matches = [
        hmac.compare_digest(
            hmac.new(secret.reveal().encode(), payload, hashlib.sha256).hexdigest(),
            signature.removeprefix("sha256="),
        )
        for secret in secrets
    ]
    return any(matches)


def parse_event(event: str, payload: bytes, settings: Settings) -> Event | None:
    """Read a delivery; None when it concerns nothing that the bot acts on.

    Raises:
        BadEvent: it is not JSON, or a field that every such event has is missing.

    """
    data = _json_object(payload)
    if event not in _READERS:
        return None
    repository = _field(data, "repository", "full_name", str)
    # GitHub's names of repositories ignore case.
    if repository.casefold() != settings.repository.casefold():
        return None
    return _READERS[event](data, settings)


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadEvent("the body is not JSON") from error
    if not isinstance(data, dict):
        raise BadEvent("the body is not a JSON object")
    return data


def _run_changed(data: dict[str, Any], settings: Settings) -> Event | None:
    run_id = _field(data, "workflow_run", "id", int)
    action = data.get("action")
    if not isinstance(action, str):
        raise BadEvent("action is missing")
    path = data["workflow_run"].get("path")
    if isinstance(path, str) and path.split("@")[0] != settings.workflow_path:
        return None
    return RunChanged(run_id, action)


def _pushed(data: dict[str, Any], _settings: Settings) -> Event | None:
    branch = _field(data, "repository", "default_branch", str)
    commits = data.get("commits")
    if not isinstance(commits, list):
        raise BadEvent("commits is missing")
    if data.get("ref") != f"refs/heads/{branch}":
        return None
    # A very large push names no commits: then the list may have changed.
    return ListChanged() if not commits or any(map(_touches_list, commits)) else None


def _touches_list(commit: object) -> bool:
    if not isinstance(commit, dict):
        raise BadEvent("commits is not a list of commits")
    changed = [commit.get(key) or [] for key in ("added", "modified", "removed")]
    if not all(isinstance(paths, list) for paths in changed):
        raise BadEvent("commits is not a list of commits")
    return any(KERNELS_JSON in paths for paths in changed)


_KINDS = {int: "a number", str: "a string"}
_READERS = {"workflow_run": _run_changed, "push": _pushed}


def _field(data: dict[str, Any], outer: str, inner: str, kind: type) -> Any:
    section = data.get(outer)
    value = section.get(inner) if isinstance(section, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadEvent(f"{outer}.{inner} must be there, {_KINDS[kind]}")
    return value
