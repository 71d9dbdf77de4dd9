"""The names kmodbot gives: packages, release tags, assets, addresses and branches."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

from .architectures import package_architecture

if TYPE_CHECKING:
    from .driver import Driver
    from .kernel import Kernel

_FORMATS = {
    "ubuntu": "deb",
    "debian": "deb",
    "fedora": "rpm",
    "centos": "rpm",
    "amazonlinux": "rpm",
}
_NOT_KEPT = re.compile(r"[^A-Za-z0-9_+@-]+")


def package_format(distribution: str) -> str:
    """Return the format of the distribution's packages: ``deb`` or ``rpm``."""
    return _FORMATS[distribution]


def package_name(driver: Driver, kernel: Kernel) -> str:
    """Return the file name of a build's package, which GitHub keeps as it is.

    For example ``hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb``. The distro version is in the
    release tag, not in the name.
    """
    architecture = package_architecture(kernel.architecture)
    extension = package_format(kernel.distribution)
    stem = f"{driver.name}-{kernel.distribution}-{kernel.release}"
    return asset_name(f"{stem}_{driver.version}_{architecture}.{extension}")


def release_tag(driver_version: str, kernel: Kernel) -> str:
    """Return the tag of the release that holds a build, e.g. ``v0.1.0-debian-12-x86_64``."""
    return f"{driver_version}-{kernel.distribution}-{kernel.distro_version}-{kernel.architecture}"


def asset_name(name: str) -> str:
    """Return the name under which GitHub will keep a release asset uploaded as ``name``.

    GitHub renames silently, so a name must go through here before anybody looks it up:
    https://docs.github.com/en/rest/releases/assets#upload-a-release-asset
    """
    plain = name if name.isascii() else _without_accents(name)
    if plain.startswith("."):
        plain = f"default{plain}"
    return _NOT_KEPT.sub(".", plain).strip(".")


def _without_accents(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def download_url(server_url: str, repository: str, tag: str, asset: str) -> str:
    """Return the public address of a release asset.

    https://docs.github.com/en/repositories/releasing-projects-on-github/linking-to-releases
    """
    path = f"releases/download/{quote(tag, safe='')}/{quote(asset, safe='')}"
    return f"{server_url.rstrip('/')}/{quote(repository)}/{path}"


def branch_name(kernel: Kernel) -> str:
    """Return the branch that adds a kernel, e.g. ``add-kernel/debian/x86_64/6-1-0-38-amd64``.

    No two releases of one distribution and architecture share a branch: the grammar puts the
    dashes of a release where no dot can stand. Distro versions of one release do share it.
    """
    release = kernel.release.replace(".", "-")
    return f"add-kernel/{kernel.distribution}/{kernel.architecture}/{release}"
