"""Releases: which packages one holds."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kmodbot.bot.build import Package

if TYPE_CHECKING:
    from kmodbot.bot.github.client import GitHubClient

log = logging.getLogger(__name__)
_DIGEST = "sha256:"


class Releases:
    """The releases of the driver's repository."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    async def packages(self, tag: str) -> dict[str, Package]:
        """Return the packages that the release of ``tag`` holds, by name; none without a release.

        https://docs.github.com/en/rest/releases/releases#get-a-release-by-tag-name
        """
        release = await self._client.get_or_none(f"/releases/tags/{quote(tag, safe='')}")
        if release is None:
            return {}
        return {asset["name"]: _package(asset) for asset in release["assets"] if _is_whole(asset)}


def _is_whole(asset: dict[str, Any]) -> bool:
    # A failed upload leaves an asset without content in state "starter" behind.
    # https://docs.github.com/en/rest/releases/assets#upload-a-release-asset
    if asset["state"] != "uploaded" or not asset["size"]:
        return False
    if not (asset.get("digest") or "").startswith(_DIGEST):
        log.warning("asset %s has no sha256 digest and is not offered", asset["name"])
        return False
    return True


def _package(asset: dict[str, Any]) -> Package:
    digest = asset["digest"].removeprefix(_DIGEST)
    return Package(asset["name"], asset["browser_download_url"], digest, asset["id"])
