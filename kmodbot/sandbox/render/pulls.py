"""Pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.accounts import MAINTAINER
from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import user
from kmodbot.sandbox.render.repository import whole

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Pull
    from kmodbot.sandbox.world import World


def simple_pull(world: World, record: Pull) -> dict[str, Any]:
    """Return a pull request as it stands in a list."""
    html = f"{world.addresses.html}/pull/{record.number}"
    links = _links(world, record)
    return {
        "id": record.id,
        "node_id": node_id("PR", record.id),
        "number": record.number,
        "url": links["self"],
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **{
            f"{name}_url": links[name]
            for name in ("issue", "commits", "comments", "statuses", "review_comments")
        },
        "review_comment_url": links["review_comment"],
        "state": record.state,
        "locked": False,
        "active_lock_reason": None,
        "title": record.title,
        "body": record.body,
        "user": user(world, record.author),
        "labels": [],
        "milestone": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "created_at": timestamp(record.created_at),
        "updated_at": timestamp(record.updated_at),
        "closed_at": timestamp(record.closed_at),
        "merged_at": timestamp(record.merged_at),
        "merge_commit_sha": record.merge_commit_sha,
        "head": _side(world, record.head_ref, record.head_sha),
        "base": _side(world, record.base_ref, record.base_sha),
        "_links": {name: {"href": url} for name, url in links.items()},
        "author_association": "MEMBER" if record.author == MAINTAINER else "NONE",
        "auto_merge": None,
        "draft": record.draft,
    }


def pull(world: World, record: Pull) -> dict[str, Any]:
    """Return a pull request on its own, with what is known of its mergeability."""
    commits, (files, additions, deletions) = record.known_commits, record.known_changes
    return simple_pull(world, record) | {
        "merged": record.merged,
        "mergeable": record.mergeable,
        "rebaseable": record.mergeable,
        "mergeable_state": _state(record),
        "merged_by": user(world, record.merged_by) if record.merged_by else None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": commits,
        "additions": additions,
        "deletions": deletions,
        "changed_files": files,
    }


def _links(world: World, record: Pull) -> dict[str, str]:
    repository, number = world.addresses.repository, record.number
    pulls, issue = f"{repository}/pulls", f"{repository}/issues/{number}"
    return {
        "self": f"{pulls}/{number}",
        "html": f"{world.addresses.html}/pull/{number}",
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{pulls}/{number}/comments",
        "review_comment": f"{pulls}/comments{{/number}}",
        "commits": f"{pulls}/{number}/commits",
        "statuses": f"{repository}/statuses/{record.head_sha}",
    }


def _side(world: World, ref: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{world.addresses.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(world, world.owner),
        "repo": whole(world),
    }


def _state(record: Pull) -> str:
    if record.mergeable is None:
        return "unknown"
    if not record.mergeable:
        return "dirty"
    return "draft" if record.draft else "clean"
