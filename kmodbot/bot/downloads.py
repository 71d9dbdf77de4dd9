"""Packages that nodes fetch through the bot, because they may not ask GitHub themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from kmodbot.bot.build import Package, Target
from kmodbot.bot.choices import Downloads
from kmodbot.bot.github.errors import GitHubError
from kmodbot.kernels import Driver, InvalidInput, Kernel, package_architecture

if TYPE_CHECKING:
    from kmodbot.bot.github.repository import RepositoryInfo
    from kmodbot.bot.settings import Settings

_LONGEST = 255
_TAG = re.compile(
    r"(?P<version>[^/]+)-(?P<distribution>[a-z]+)-(?P<distro_version>[a-z0-9.]+)"
    r"-(?P<architecture>x86_64|aarch64)"
)


class Addresses:
    """Where a node finds a package: at GitHub, or with us when the repository is private."""

    def __init__(self, settings: Settings, repository: RepositoryInfo) -> None:
        self._settings = settings
        self._repository = repository

    async def of(self, target: Target, package: Package) -> str:
        """Return the address of a package, below the bot's own unless that is configured."""
        if not await self._through_us():
            return package.url
        tag, name = quote(target.tag, safe=""), quote(package.name, safe="")
        return f"{self._settings.public_url}/packages/{tag}/{name}"

    async def _through_us(self) -> bool:
        choice = self._settings.private_downloads
        if choice is not Downloads.AUTO:
            return choice is Downloads.YES
        try:
            return (await self._repository.facts()).is_private
        except GitHubError:
            # A node that may not follow GitHub's address asks again once GitHub is back.
            return False


def parse_address(driver: str, tag: str, name: str) -> Target | None:
    """Return the target whose package is at a release tag, under a name; None for no such thing."""
    fits = _TAG.fullmatch(tag) if len(tag) <= _LONGEST >= len(name) else None
    if fits is None:
        return None
    version, distribution = fits["version"], fits["distribution"]
    start = f"{driver}-{distribution}-"
    end = f"_{version}_{package_architecture(fits['architecture'])}."
    release, found, _ = name.removeprefix(start).rpartition(end)
    if not found:
        return None
    try:
        kernel = Kernel.parse(
            distribution=distribution,
            distro_version=fits["distro_version"],
            architecture=fits["architecture"],
            release=release,
        )
        target = Target(Driver.parse(driver, version), kernel)
    except InvalidInput:
        return None
    # Only what we would have made ourselves reaches GitHub.
    return target if (target.tag, target.package) == (tag, name) else None
