"""The repository, in the three sizes that GitHub shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import user

if TYPE_CHECKING:
    from kmodbot.sandbox.world import World

# Suffixes of the repository's URLs, by the member that holds them.
_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def minimal(world: World) -> dict[str, Any]:
    """Return the repository as it appears inside a workflow run."""
    addresses = world.addresses
    return {
        "id": world.repository_id,
        "node_id": node_id("R", world.repository_id),
        "name": addresses.name,
        "full_name": addresses.full_name,
        "private": world.private,
        "owner": user(world, world.owner),
        "html_url": addresses.html,
        "description": None,
        "fork": False,
        "url": addresses.repository,
        **{name: addresses.repository + suffix for name, suffix in _URLS.items()},
    }


def whole(world: World) -> dict[str, Any]:
    """Return the repository as it appears in pull requests and webhooks."""
    addresses = world.addresses
    host = addresses.server.partition("://")[2]
    open_pulls = sum(pull.state == "open" for pull in world.pulls)
    return minimal(world) | {
        "created_at": timestamp(world.created_at),
        "updated_at": timestamp(world.created_at),
        "pushed_at": timestamp(world.created_at),
        "git_url": f"git://{host}/{addresses.full_name}.git",
        "ssh_url": f"git@{host}:{addresses.full_name}.git",
        "clone_url": addresses.clone,
        "svn_url": addresses.html,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "forks_count": 0,
        "open_issues_count": open_pulls,
        "forks": 0,
        "open_issues": open_pulls,
        "watchers": 0,
        "has_issues": True,
        "has_projects": False,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if world.private else "public",
        "default_branch": "main",
    }


def full(world: World) -> dict[str, Any]:
    """Return the repository as `GET /repos/{owner}/{repo}` shows it."""
    return whole(world) | {"subscribers_count": 0, "network_count": 0}


def pushed(world: World) -> dict[str, Any]:
    """Return the repository as the push event shows it, with two times as numbers."""
    repository = whole(world)
    owner = repository["owner"] | {"name": world.owner.login, "email": None}
    return repository | {
        "url": world.addresses.html,
        "owner": owner,
        "created_at": int(world.created_at.timestamp()),
        "pushed_at": int(world.clock().timestamp()),
        "stargazers": 0,
        "master_branch": "main",
        "organization": world.owner.login,
    }
