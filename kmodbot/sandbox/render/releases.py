"""Releases and their assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import user

if TYPE_CHECKING:
    from kmodbot.sandbox.records import Asset, Release
    from kmodbot.sandbox.world import World


def release(world: World, record: Release) -> dict[str, Any]:
    """Return a release with all its assets."""
    addresses, tag = world.addresses, record.tag_name
    url = f"{addresses.repository}/releases/{record.id}"
    # GitHub hides the tag of a draft from its address.
    slug = f"untagged-{record.id}" if record.draft else tag
    return {
        "id": record.id,
        "node_id": node_id("RE", record.id),
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{addresses.upload(record.id)}{{?name,label}}",
        "html_url": f"{addresses.html}/releases/tag/{slug}",
        "tarball_url": None if record.draft else f"{addresses.repository}/tarball/{tag}",
        "zipball_url": None if record.draft else f"{addresses.repository}/zipball/{tag}",
        "tag_name": tag,
        "target_commitish": record.target_commitish,
        "name": record.name,
        "body": record.body,
        "draft": record.draft,
        "immutable": False,
        "prerelease": record.prerelease,
        "created_at": timestamp(record.created_at),
        "updated_at": timestamp(record.published_at or record.created_at),
        "published_at": timestamp(record.published_at),
        "author": user(world, record.author),
        "assets": [asset(world, record, item) for item in record.assets],
    }


def asset(world: World, of: Release, record: Asset) -> dict[str, Any]:
    """Return an asset of the release `of`."""
    addresses = world.addresses
    return {
        "id": record.id,
        "node_id": node_id("RA", record.id),
        "url": f"{addresses.repository}/releases/assets/{record.id}",
        "browser_download_url": addresses.download(of.tag_name, record.name),
        "name": record.name,
        "label": record.label,
        "state": record.state,
        "content_type": record.content_type,
        "size": record.size,
        "digest": record.digest,
        "download_count": record.download_count,
        "created_at": timestamp(record.created_at),
        "updated_at": timestamp(record.created_at),
        "uploader": user(world, record.uploader),
    }
