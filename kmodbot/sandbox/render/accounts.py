"""Users, the organization, the App and its installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.accounts import (
    APP_EVENTS,
    APP_ID,
    APP_PERMISSIONS,
    APP_SLUG,
    CLIENT_ID,
    INSTALLATION_ID,
    Account,
)
from kmodbot.sandbox.render import node_id, timestamp

if TYPE_CHECKING:
    from kmodbot.sandbox.world import World

# Suffixes of an account's own URLs, by the member that holds them.
_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def user(world: World, account: Account) -> dict[str, Any]:
    """Return an account as a simple user."""
    url = f"{world.addresses.api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("U", account.id),
        "avatar_url": f"{world.addresses.server}/avatars/u/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.addresses.server}/{account.login}",
        **{name: url + suffix for name, suffix in _URLS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def organization(world: World) -> dict[str, Any]:
    """Return the owner as webhooks show an organization."""
    owner = world.owner
    url = f"{world.addresses.api}/orgs/{owner.login}"
    return {
        "login": owner.login,
        "id": owner.id,
        "node_id": node_id("O", owner.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{world.addresses.server}/avatars/u/{owner.id}",
        "description": None,
    }


def app(world: World) -> dict[str, Any]:
    """Return the App."""
    return {
        "id": APP_ID,
        "client_id": CLIENT_ID,
        "slug": APP_SLUG,
        "node_id": node_id("A", APP_ID),
        "owner": user(world, world.owner),
        "name": APP_SLUG,
        "description": None,
        "external_url": world.addresses.html,
        "html_url": f"{world.addresses.server}/apps/{APP_SLUG}",
        "created_at": timestamp(world.created_at),
        "updated_at": timestamp(world.created_at),
        "permissions": APP_PERMISSIONS,
        "events": list(APP_EVENTS),
        "installations_count": 1,
    }


def installation(world: World) -> dict[str, Any]:
    """Return the installation of the App on the repository."""
    owner, addresses = world.owner, world.addresses
    url = f"{addresses.api}/app/installations/{INSTALLATION_ID}"
    return {
        "id": INSTALLATION_ID,
        "client_id": CLIENT_ID,
        "account": user(world, owner),
        "repository_selection": "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{addresses.api}/installation/repositories",
        "html_url": (
            f"{addresses.server}/organizations/{owner.login}/settings/installations/{INSTALLATION_ID}"
        ),
        "app_id": APP_ID,
        "app_slug": APP_SLUG,
        "target_id": owner.id,
        "target_type": owner.type,
        "permissions": APP_PERMISSIONS,
        "events": list(APP_EVENTS),
        "created_at": timestamp(world.created_at),
        "updated_at": timestamp(world.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }
