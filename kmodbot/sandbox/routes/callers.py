"""The account that a call acts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.sandbox.access import actor_of
from kmodbot.sandbox.errors import Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from kmodbot.sandbox.accounts import Account


def account_of(request: web.Request) -> Account:
    """Return who writes.

    Raises:
        Refusal: 401, the caller is anonymous.

    """
    account = actor_of(request).account
    if account is None:
        raise Refusal(401, "Requires authentication")
    return account
