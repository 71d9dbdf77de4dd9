"""Commits, in the four shapes GitHub has for them, and changed files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.accounts import ACTIONS_BOT, APP_BOT, MAINTAINER
from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import user

if TYPE_CHECKING:
    import pygit2

    from kmodbot.sandbox.world import World

_ACCOUNTS = {account.email: account for account in (APP_BOT, ACTIONS_BOT, MAINTAINER)}
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}
# The sandbox holds no signing key, so it never claims that a commit is signed.
_UNSIGNED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def simple_commit(commit: pygit2.Commit) -> dict[str, Any]:
    """Return the head commit of a run."""
    return {
        "id": str(commit.id),
        "tree_id": str(commit.tree_id),
        "message": commit.message,
        "timestamp": _when(commit.committer),
        "author": _named(commit.author),
        "committer": _named(commit.committer),
    }


def pushed_commit(world: World, commit: pygit2.Commit) -> dict[str, Any]:
    """Return a commit of a push event, with the paths it touched."""
    parent = str(commit.parents[0].id) if commit.parents else None
    patches = list(world.git.changes(parent, str(commit.id))) if parent else []
    deltas = [patch.delta for patch in patches]
    return simple_commit(commit) | {
        "distinct": True,
        "url": f"{world.addresses.html}/commit/{commit.id}",
        "added": [d.new_file.path for d in deltas if d.status_char() == "A"],
        "removed": [d.old_file.path for d in deltas if d.status_char() == "D"],
        "modified": [d.new_file.path for d in deltas if d.status_char() == "M"],
    }


def git_commit(world: World, commit: pygit2.Commit) -> dict[str, Any]:
    """Return a commit as the git data API shows it."""
    url = f"{world.addresses.repository}/git"
    html = f"{world.addresses.html}/commit"
    return {
        "sha": str(commit.id),
        "node_id": node_id("C", commit.id),
        "url": f"{url}/commits/{commit.id}",
        "html_url": f"{html}/{commit.id}",
        "author": _dated(commit.author),
        "committer": _dated(commit.committer),
        "tree": {"sha": str(commit.tree_id), "url": f"{url}/trees/{commit.tree_id}"},
        "message": commit.message,
        "parents": [
            {"sha": str(p), "url": f"{url}/commits/{p}", "html_url": f"{html}/{p}"}
            for p in commit.parent_ids
        ],
        "verification": _UNSIGNED,
    }


def repository_commit(world: World, commit: pygit2.Commit) -> dict[str, Any]:
    """Return a commit as branches and pull requests show it."""
    inner = git_commit(world, commit)
    url = f"{world.addresses.repository}/commits/{commit.id}"
    return {
        "sha": inner["sha"],
        "node_id": inner["node_id"],
        "commit": {
            "author": inner["author"],
            "committer": inner["committer"],
            "message": inner["message"],
            "tree": inner["tree"],
            "url": inner["url"],
            "comment_count": 0,
            "verification": inner["verification"],
        },
        "url": url,
        "html_url": inner["html_url"],
        "comments_url": f"{url}/comments",
        "author": _account(world, commit.author),
        "committer": _account(world, commit.committer),
        "parents": [
            parent | {"url": parent["url"].replace("/git/commits/", "/commits/")}
            for parent in inner["parents"]
        ],
    }


def changed_file(world: World, head: str, patch: pygit2.Patch) -> dict[str, Any]:
    """Return one changed file of a pull request."""
    delta = patch.delta
    path = delta.new_file.path
    _, added, removed = patch.line_stats
    return {
        "sha": str(delta.new_file.id) if delta.status_char() != "D" else None,
        "filename": path,
        "status": _STATUS.get(delta.status_char(), "changed"),
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": f"{world.addresses.html}/blob/{head}/{path}",
        "raw_url": f"{world.addresses.html}/raw/{head}/{path}",
        "contents_url": f"{world.addresses.repository}/contents/{path}?ref={head}",
    }


def _when(signature: pygit2.Signature) -> str | None:
    return timestamp(datetime.fromtimestamp(signature.time, UTC))


def _named(signature: pygit2.Signature) -> dict[str, Any]:
    return {"name": signature.name, "email": signature.email}


def _dated(signature: pygit2.Signature) -> dict[str, Any]:
    return _named(signature) | {"date": _when(signature)}


def _account(world: World, signature: pygit2.Signature) -> dict[str, Any] | None:
    account = _ACCOUNTS.get(signature.email)
    return user(world, account) if account else None
