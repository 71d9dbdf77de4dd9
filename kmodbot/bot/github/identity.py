"""The App as GitHub knows it: the JSON web token that proves who asks."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import jwt

if TYPE_CHECKING:
    from kmodbot.bot.secrets import Secret

# GitHub accepts at most ten minutes between now and the end, and no beginning in the future.
# https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
_BACKDATED_SECONDS = 60
_LIFETIME_SECONDS = 8 * 60
_RENEWED_AFTER_SECONDS = 6 * 60


class Identity:
    """Signs the App's tokens by GitHub's clock, whatever the clock of this machine says."""

    def __init__(self, app_id: str, private_key: Secret) -> None:
        self._app_id = app_id
        self._private_key = private_key
        self._ahead = 0.0
        self._token = ""
        self._renew_at = 0.0

    def now(self) -> float:
        """Return GitHub's time in seconds since 1970, as far as it is known."""
        return time.time() + self._ahead

    def token(self) -> str:
        """Return a JSON web token that is good for two minutes at least."""
        if not self._token or self.now() >= self._renew_at:
            issued = int(self.now()) - _BACKDATED_SECONDS
            claims = {"iss": self._app_id, "iat": issued, "exp": issued + _LIFETIME_SECONDS}
            self._token = jwt.encode(claims, self._private_key.reveal(), algorithm="RS256")
            self._renew_at = issued + _RENEWED_AFTER_SECONDS
        return self._token

    def refused(self, token: str, date: str) -> None:
        """Forget a token that GitHub refused, and set the clock by the date of its answer."""
        if token == self._token:
            self._token = ""
        self.set_clock(date)

    def set_clock(self, date: str) -> None:
        """Take GitHub's time from the ``Date`` header of an answer."""
        try:
            self._ahead = parsedate_to_datetime(date).timestamp() - time.time()
        except ValueError:
            return
