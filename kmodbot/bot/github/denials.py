"""Why GitHub does not let the App in, and what its operator can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.github.errors import GitHubDenied

if TYPE_CHECKING:
    from kmodbot.bot.github.errors import GitHubRefused

_NO_KEY = (
    "GITHUB_APP_ID and the private key are not of one App, or the key was deleted: the App's "
    "settings on GitHub have its id, and make a new key"
)
_NO_APP = (
    "GitHub knows no App of the id that GITHUB_APP_ID has: take it from the App's settings on the "
    "GitHub that GITHUB_API_URL names"
)
_NOT_INSTALLED = (
    "the App is not installed on the repository that GITHUB_REPOSITORY names: install it there, or "
    "correct the name; GITHUB_API_URL must be the API of the GitHub that has both"
)
_SUSPENDED = (
    "the App's installation is suspended: whoever owns the repository ends that in the settings, "
    "under GitHub Apps"
)
_NO_PERMISSION = (
    "the App's installation lacks something that app.yml lists: compare the App's permissions, and "
    "let whoever owns the repository accept new ones"
)


def denied(error: GitHubRefused) -> GitHubDenied:
    """Return what it means that GitHub refused the App itself.

    It names variables, not their values: who asks /readyz may be anybody.
    """
    message = str(error).lower()
    if error.status == 401:
        reason = _NO_KEY
    elif "integration not found" in message:
        reason = _NO_APP
    elif error.status == 404:
        reason = _NOT_INSTALLED
    elif "suspended" in message:
        reason = _SUSPENDED
    else:
        reason = _NO_PERMISSION
    return GitHubDenied(error.status, f"GitHub does not let the App in ({error}): {reason}", reason)
