"""Webhook deliveries: are they GitHub's, and what do they say? Pure functions.

Nothing beyond this module sees GitHub's JSON. Of some 25 kB only the fields below are decoded.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable  # noqa: TC003  # msgspec reads annotations
from typing import TYPE_CHECKING, Annotated

import msgspec

from kmodbot.kernels import KERNELS_JSON

if TYPE_CHECKING:
    from kmodbot.bot.secrets import Secret
    from kmodbot.bot.settings import Settings

# Payloads above this size are not sent.
# https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
MAX_PAYLOAD = 25 * 1024 * 1024
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_PREFIX = len("sha256=")


class BadEvent(Exception):
    """A delivery is signed, but does not have the form that GitHub documents."""


class RunChanged(msgspec.Struct, frozen=True):
    """A workflow run was requested, has started or has ended: ``action`` says which.

    ``attempt`` counts from 1 and rises with each re-run, which keeps the id. The status that
    GitHub sends beside the action may be older than the event: it has sent ``completed`` for a run
    that it called queued in the same payload. So ``conclusion`` is a hint where to look first; of a
    run that another branch, repository or event may have shaped it is left out.
    """

    run_id: int
    action: str
    attempt: int = 1
    conclusion: str | None = None
    title: str = ""


class ListChanged(msgspec.Struct, frozen=True):
    """The default branch has a new kernels.json."""


Event = RunChanged | ListChanged


def is_signature(header: str | None) -> bool:
    """Tell whether a header has the form of GitHub's sha256 signature."""
    return header is not None and _SIGNATURE.fullmatch(header) is not None


def is_signed(payload: bytes, signature: str, secrets: Iterable[Secret]) -> bool:
    """Check a well-formed signature against every secret, so that secrets can be rotated.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    given = bytes.fromhex(signature[_PREFIX:])
    matches = False
    for secret in secrets:
        expected = hmac.digest(secret.reveal().encode(), payload, "sha256")
        # Every secret is tried, so that the time taken does not tell which one it was.
        matches |= hmac.compare_digest(expected, given)
    return matches


def parse_event(event: str, payload: bytes, settings: Settings) -> Event | None:
    """Read a delivery; None when it concerns nothing that the bot acts on.

    Raises:
        BadEvent: it is not JSON, or a field that every such event has is missing.

    """
    if event not in _READERS:
        return None
    try:
        return _READERS[event](payload, settings)
    except msgspec.ValidationError as error:
        raise BadEvent(f"the body is no {event} event: {error}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadEvent("the body is not JSON") from error


def essence(event: Event, settings: Settings) -> bytes:
    """Return the least JSON that :func:`parse_event` reads as the same event.

    It is what is kept, so that the store holds no names and addresses of people.
    """
    # The repository may have another name when this is read.
    repository = _Repository(settings.repository, "main", settings.known.id or 0)
    if isinstance(event, ListChanged):
        return _JSON.encode(_PushPayload(repository, "refs/heads/main", []))
    run = _Run(
        event.run_id,
        run_attempt=event.attempt,
        conclusion=event.conclusion,
        display_title=event.title,
    )
    return _JSON.encode(_RunPayload(repository, run, event.action))


class _Repository(msgspec.Struct, omit_defaults=True):
    full_name: str
    default_branch: str
    id: int = 0


class _HeadRepository(msgspec.Struct):
    full_name: str = ""
    id: int = 0


class _Run(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    path: str | None = None
    run_attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    conclusion: str | None = None
    display_title: str | None = None
    event: str | None = None
    head_branch: str | None = None
    head_repository: _HeadRepository | None = None


class _RunPayload(msgspec.Struct):
    repository: _Repository
    workflow_run: _Run
    action: str


class _Commit(msgspec.Struct):
    added: list[str] | None = None
    modified: list[str] | None = None
    removed: list[str] | None = None

    def touches_list(self) -> bool:
        changed = (self.added, self.modified, self.removed)
        return any(KERNELS_JSON in paths for paths in changed if paths)


class _PushPayload(msgspec.Struct):
    repository: _Repository
    ref: str
    commits: list[_Commit]


_JSON = msgspec.json.Encoder()
_RUN = msgspec.json.Decoder(_RunPayload)
_PUSH = msgspec.json.Decoder(_PushPayload)


def _run_changed(payload: bytes, settings: Settings) -> Event | None:
    data = _RUN.decode(payload)
    run = data.workflow_run
    if not _concerns(data.repository, settings):
        return None
    if run.path is not None and run.path.partition("@")[0] != settings.workflow_path:
        return None
    title = run.display_title or ""
    conclusion = run.conclusion if _may_be_ours(run, data.repository) else None
    return RunChanged(run.id, data.action, run.run_attempt, conclusion, title)


def _may_be_ours(run: _Run, repository: _Repository) -> bool:
    """Tell whether nothing in a payload speaks against a run; what is kept of it says no more."""
    head = run.head_repository
    return (
        run.event in {None, "workflow_dispatch"}
        and run.head_branch in {None, repository.default_branch}
        and (head is None or _is_same(head, repository))
    )


def _is_same(head: _HeadRepository, repository: _Repository) -> bool:
    if head.id and repository.id:
        return head.id == repository.id
    return head.full_name.casefold() == repository.full_name.casefold()


def _pushed(payload: bytes, settings: Settings) -> Event | None:
    data = _PUSH.decode(payload)
    is_default = data.ref == f"refs/heads/{data.repository.default_branch}"
    if not is_default or not _concerns(data.repository, settings):
        return None
    # A very large push names no commits: then the list may have changed.
    touches_list = not data.commits or any(commit.touches_list() for commit in data.commits)
    return ListChanged() if touches_list else None


def _concerns(repository: _Repository, settings: Settings) -> bool:
    return settings.known.is_ours(settings.repository, repository.full_name, repository.id)


_READERS: dict[str, Callable[[bytes, Settings], Event | None]] = {
    "workflow_run": _run_changed,
    "push": _pushed,
}
