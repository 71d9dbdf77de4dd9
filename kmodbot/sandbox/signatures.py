"""Signed addresses, from which the assets of a private repository are fetched without a token."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Asset
    from kmodbot.sandbox.world import World

# GitHub does not say how long its own are good for; few minutes are to be expected.
LIFETIME: Final = timedelta(minutes=5)


def signed_url(world: World, asset: Asset) -> str:
    """Return an address that holds for five minutes."""
    expires = round((world.clock() + LIFETIME).timestamp())
    signature = _signature(world, str(asset.id), str(expires))
    return f"{world.addresses.server}/release-assets/{asset.id}?se={expires}&sig={signature}"


def is_good(world: World, asset_id: str, expires: str, signature: str) -> bool:
    """Tell whether an address was signed here and is not over."""
    if not hmac.compare_digest(_signature(world, asset_id, expires).encode(), signature.encode()):
        return False
    return world.clock().timestamp() < int(expires)


def _signature(world: World, asset_id: str, expires: str) -> str:
    key = world.keyring.private_key.encode()
    return hmac.new(key, f"{asset_id} {expires}".encode(), hashlib.sha256).hexdigest()
