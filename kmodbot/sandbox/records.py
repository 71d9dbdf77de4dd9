"""What the sandbox remembers: runs, pull requests, releases, deliveries and calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from kmodbot.sandbox.accounts import Account


@dataclass
class Run:
    """A workflow run. `status` is queued, in_progress or completed; `began` once a job runs."""

    id: int
    number: int
    workflow_id: int
    workflow_name: str
    path: str
    title: str
    head_branch: str
    head_sha: str
    inputs: dict[str, str]
    actor: Account
    triggering_actor: Account
    created_at: datetime
    updated_at: datetime
    started_at: datetime
    event: str = "workflow_dispatch"
    attempt: int = 1
    status: str = "queued"
    conclusion: str | None = None
    began: bool = False


@dataclass
class Pull:
    """A pull request from a branch of the repository to another of its branches."""

    id: int
    number: int
    title: str
    body: str | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    author: Account
    created_at: datetime
    updated_at: datetime
    draft: bool = False
    state: str = "open"
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merged_by: Account | None = None
    merge_commit_sha: str | None = None
    mergeable: bool | None = None
    known_commits: int = 0
    known_changes: tuple[int, int, int] = (0, 0, 0)

    @property
    def merged(self) -> bool:
        """Whether it was closed by merging."""
        return self.merged_at is not None


@dataclass
class Asset:
    """A file of a release; its bytes lie at `file`.

    `state` is "uploaded", or "starter" for what a broken upload leaves behind.
    """

    id: int
    name: str
    label: str | None
    content_type: str
    size: int
    digest: str
    uploader: Account
    created_at: datetime
    file: Path
    download_count: int = 0
    state: str = "uploaded"


@dataclass
class Release:
    """A release with its assets in the order of their upload."""

    id: int
    tag_name: str
    target_commitish: str
    name: str | None
    body: str | None
    draft: bool
    prerelease: bool
    author: Account
    created_at: datetime
    published_at: datetime | None = None
    make_latest: bool = True
    assets: list[Asset] = field(default_factory=list)


@dataclass
class Delivery:
    """One attempt to deliver a webhook. `duration` is in seconds."""

    id: int
    guid: str
    event: str
    action: str | None
    payload: dict[str, Any]
    redelivery: bool
    delivered_at: datetime
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


@dataclass
class Call:
    """One API request; `path` stands without the API's prefix, `status` is None while unanswered.

    `actor` is "app", "installation", "actions", "maintainer" or None for an anonymous caller.
    """

    method: str
    path: str
    query: str = ""
    status: int | None = None
    actor: str | None = None
