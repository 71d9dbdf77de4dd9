"""Who exists in the sandbox: the owner, the App and its bot, Actions, and a maintainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Account:
    """A user, bot or organization."""

    login: str
    id: int
    type: str

    @property
    def email(self) -> str:
        """The address GitHub puts into this account's commits."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


APP_ID: Final = 200001
APP_SLUG: Final = "kmodbot"
CLIENT_ID: Final = "Iv23lisandboxkmodbot"
HOOK_ID: Final = 500001
INSTALLATION_ID: Final = 300001
REPOSITORY_ID: Final = 400001
OWNER_ID: Final = 100001

APP_BOT: Final = Account("kmodbot[bot]", 200101, "Bot")
ACTIONS_BOT: Final = Account("github-actions[bot]", 41898282, "Bot")
MAINTAINER: Final = Account("maintainer", 100002, "User")

# What the App's manifest asks for.
APP_PERMISSIONS: Final = {
    "actions": "write",
    "contents": "write",
    "metadata": "read",
    "pull_requests": "write",
}
APP_EVENTS: Final = ("pull_request", "push", "release", "workflow_run")
