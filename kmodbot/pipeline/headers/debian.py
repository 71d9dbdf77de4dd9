"""Headers from Debian's own suites: downloaded and unpacked, never installed.

Installing would pull in the kernel image, needs root, and changes the machine.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.kernels import package_architecture, parse_architecture
from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers.apt import AptPackage, Archive, IsolatedApt
from kmodbot.pipeline.headers.tree import HeaderTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.phases import Log

# https://www.debian.org/releases/
CODENAMES = {"12": "bookworm", "13": "trixie"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = ("KMODBOT_DEBIAN_MIRROR", "http://deb.debian.org/debian")
SECURITY_MIRROR = ("KMODBOT_DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security")

# Passwords belong into apt's auth.conf, not into an address that is written to the log.
_ADDRESS = re.compile(r"(https?|file)://[!-?A-~]+")
_NEEDED = ("linux-headers-", "linux-kbuild-")


@dataclass(frozen=True)
class DebianSuites:
    """The headers packages of some suites of the Debian release the kernel belongs to."""

    name: str
    suites: tuple[str, ...]

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        apt = self._apt(kernel.distro_version, kernel.architecture, cache)
        with apt.locked():
            try:
                packages = resolve(apt, kernel.release)
            except HeadersNotFound as error:
                raise HeadersNotFound(f"{error}{_hint(apt, kernel.release)}") from None
            files = apt.download(packages, cache / "packages")
        for package in packages:
            log.line(f"headers: {package.name} {package.version} ({package.size / 1e6:.1f} MB)")
        unpack = require_program("dpkg-deb", "apt-get install dpkg")
        for file in files:
            capture([unpack, "-x", str(file), str(work)])
        tree = HeaderTree(work / "usr/src" / f"linux-headers-{kernel.release}", work)
        make_relocatable(tree)
        return tree

    def releases(self, distro_version: str, architecture: str, cache: Path) -> list[str]:
        """Return the kernel releases whose headers are listed, oldest first."""
        apt = self._apt(distro_version, architecture, cache)
        with apt.locked():
            listed = listed_releases(apt)
        # The lists of this machine's architecture are there too, for kbuild.
        return [name for name in listed if package_architecture(architecture) in flavour(name)]

    def _apt(self, distro_version: str, architecture: str, cache: Path) -> IsolatedApt:
        codename = CODENAMES.get(distro_version)
        if codename is None:
            raise HeadersNotFound(f"knows Debian {', '.join(CODENAMES)} only")
        if not KEYRING.exists():
            raise BuildError(f"{KEYRING} is missing; apt-get install debian-archive-keyring")
        suites = [suite.format(codename=codename) for suite in self.suites]
        target = package_architecture(architecture)
        architectures = dict.fromkeys((target, _machine()))
        return IsolatedApt(cache / "apt", archives(suites), tuple(architectures))


def archives(suites: Sequence[str]) -> list[Archive]:
    """Return the archives that carry `suites`; security updates have one of their own."""
    security = tuple(suite for suite in suites if suite.endswith("-security"))
    others = tuple(suite for suite in suites if suite not in security)
    pairs = ((MIRROR, others), (SECURITY_MIRROR, security))
    return [Archive(_address(*mirror), names, KEYRING) for mirror, names in pairs if names]


def resolve(apt: IsolatedApt, release: str) -> list[AptPackage]:
    """Return the headers package of `release` and the ones it cannot be used without."""
    found: dict[str, AptPackage] = {}
    wanted = [f"linux-headers-{release}"]
    while wanted:
        level = apt.show(wanted)
        found.update((package.name, package) for package in level)
        needed = (dependency for package in level for dependency in package.depends)
        wanted = [
            _qualified(name, version)
            for name, version in dict(needed).items()
            if name.startswith(_NEEDED) and name not in found
        ]
    return list(found.values())


def listed_releases(apt: IsolatedApt) -> list[str]:
    """Return the kernel releases with a headers package in the lists, oldest first."""
    names = (name[len("linux-headers-") :] for name in apt.names("linux-headers-"))
    releases = (name for name in names if re.match(r"[0-9]+\.[0-9]+\.[0-9]", name))
    # The -common packages are shared by the flavours of a kernel and are no kernel themselves.
    return sorted((name for name in releases if "-common" not in name), key=_numbers)


def make_relocatable(tree: HeaderTree) -> None:
    """Make a tree meant for /usr/src work where it was unpacked."""
    makefile = tree.path / "Makefile"
    if not makefile.is_file():
        raise BuildError(f"the package of {tree.path.name} holds no {tree.path.name}/Makefile")
    for path in (tree.root / "usr/src").glob("linux-headers-*/Makefile"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("/usr/src/", f"{tree.root}/usr/src/"), encoding="utf-8")
    for path in (tree.root / "usr").rglob("*"):
        target = path.readlink() if path.is_symlink() else path
        if target.is_absolute() and target != path:
            path.unlink()
            path.symlink_to(f"{tree.root}{target}")


def flavour(release: str) -> str:
    """Return the last part of a release, such as `cloud-amd64`."""
    match = re.search("-([a-z].*)$", release)
    return match[1] if match else ""


def _hint(apt: IsolatedApt, release: str) -> str:
    same = [name for name in listed_releases(apt) if flavour(name) == flavour(release)]
    return f"; the newest listed are {', '.join(same[-3:])}" if same else ""


def _qualified(name: str, version: str | None) -> str:
    # kbuild holds programs that run during the build, so it must fit this machine.
    architecture = f":{_machine()}" if name.startswith("linux-kbuild-") else ""
    return f"{name}{architecture}" + (f"={version}" if version else "")


def _machine() -> str:
    return package_architecture(parse_architecture(platform.machine()))


def _address(variable: str, default: str) -> str:
    address = os.environ.get(variable) or default
    if not _ADDRESS.fullmatch(address):
        raise BuildError(f"{variable}: expected an address such as {default}, without a password")
    return address


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", release)]
