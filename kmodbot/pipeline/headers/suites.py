"""Headers from the suites of a distribution that uses apt."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.kernels import package_architecture, parse_architecture
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.apt import Archive, IsolatedApt
from kmodbot.pipeline.headers.unpack import unpack_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.control import DebPackage
    from kmodbot.pipeline.headers.mirrors import Keyring, Mirror
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log


@dataclass(frozen=True)
class AptDistribution:
    """What all archives of a distribution have in common.

    `codenames` are by distro version. `kbuild_apart`: the programs that run during a build are a
    package of their own, so those of the machine that builds are used whatever it builds for.
    """

    title: str
    codenames: Mapping[str, str]
    components: tuple[str, ...]
    keyring: Keyring
    kbuild_apart: bool

    def codename(self, distro_version: str) -> str:
        """Return the codename; raises HeadersNotFound for a version that is not known here."""
        if distro_version not in self.codenames:
            raise HeadersNotFound(f"knows {self.title} {', '.join(self.codenames)} only")
        return self.codenames[distro_version]

    def archive(
        self, uri: str, suites: Sequence[str], distro_version: str, *, frozen: bool = False
    ) -> Archive:
        """Return the archive at `uri`; `suites` are names with {codename} in them."""
        codename = self.codename(distro_version)
        names = tuple(suite.format(codename=codename) for suite in suites)
        return Archive(uri, names, self.keyring.path(), self.components, frozen)

    def architectures(self, architecture: str) -> tuple[str, ...]:
        """Return the architectures to list for kernels of `architecture`, that one first."""
        others = (machine_architecture(),) if self.kbuild_apart else ()
        return tuple(dict.fromkeys((package_architecture(architecture), *others)))


@dataclass(frozen=True)
class Place:
    """Suites of one mirror, for kernels of `architectures` (all when empty)."""

    mirror: Mirror
    suites: tuple[str, ...]
    architectures: tuple[str, ...] = ()

    def serves(self, architecture: str) -> bool:
        """Whether kernels of `architecture` are looked for here."""
        return architecture in (self.architectures or (architecture,))


@dataclass(frozen=True)
class AptSuites:
    """The headers packages listed at `places`, for the distro `versions` (all when empty)."""

    name: str
    distribution: AptDistribution
    places: tuple[Place, ...]
    versions: tuple[str, ...] = ()

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        if kernel.distro_version not in (self.versions or (kernel.distro_version,)):
            raise HeadersNotFound(
                f"keeps {self.distribution.title} {', '.join(self.versions)} only"
            )
        apt = self._apt(kernel.distro_version, kernel.architecture, cache, log)
        with apt.locked():
            return fetch_listed(apt, kernel.release, work, log)

    def releases(self, distro_version: str, architecture: str, cache: Path, log: Log) -> list[str]:
        """Return the kernel releases whose headers are listed, oldest first."""
        apt = self._apt(distro_version, architecture, cache, log)
        with apt.locked():
            listed = listed_releases(apt)
        if not self.distribution.kbuild_apart:
            return listed
        # The lists of this machine's architecture are there too, and names tell them apart.
        return [name for name in listed if package_architecture(architecture) in flavour(name)]

    def _apt(self, distro_version: str, architecture: str, cache: Path, log: Log) -> IsolatedApt:
        archives = [
            self.distribution.archive(place.mirror.address(), place.suites, distro_version)
            for place in self.places
            if place.serves(architecture)
        ]
        architectures = self.distribution.architectures(architecture)
        return IsolatedApt(cache / "apt", archives, architectures, cache, log)


def fetch_listed(apt: IsolatedApt, release: str, work: Path, log: Log) -> HeaderTree:
    """Download the headers of `release` with `apt`, which is locked, and unpack them below `work`.

    Raises HeadersNotFound naming the newest releases that are listed instead.
    """
    try:
        packages = resolve(apt, release)
    except HeadersNotFound as error:
        raise HeadersNotFound(f"{error}{_hint(apt, release)}; asked: {apt}") from None
    files = apt.download(packages)
    for package in packages:
        log.line(f"headers: {package.name} {package.version} ({package.size / 1e6:.1f} MB)")
    return unpack_headers(files, release, work / "root")


def resolve(apt: IsolatedApt, release: str) -> list[DebPackage]:
    """Return the headers package of `release` and the ones it cannot be used without."""
    found: dict[str, DebPackage] = {}
    wanted = [f"linux-headers-{release}"]
    while wanted:
        level = apt.show(wanted)
        found.update((package.name, package) for package in level)
        needed = dict(pair for package in level for pair in package.needed)
        wanted = [_qualified(*pair) for pair in needed.items() if pair[0] not in found]
    return list(found.values())


def listed_releases(apt: IsolatedApt) -> list[str]:
    """Return the kernel releases with a headers package in the lists, oldest first."""
    names = (name[len("linux-headers-") :] for name in apt.names("linux-headers-"))
    releases = (name for name in names if re.match(r"[0-9]+\.[0-9]+\.[0-9]", name))
    # Packages that the flavours of a kernel share are no kernel themselves.
    own = (name for name in releases if flavour(name) and "-common" not in name)
    return sorted(own, key=numbers)


def same_kind(releases: Sequence[str], release: str) -> list[str]:
    """Return those of `releases` that differ from `release` in nothing but the ABI number."""
    kind = (_number(release), flavour(release))
    return [name for name in releases if (_number(name), flavour(name)) == kind]


def flavour(release: str) -> str:
    """Return the last part of a release, such as `cloud-amd64` or `generic`."""
    match = re.search("-([a-z].*)$", release)
    return match[1] if match else ""


def numbers(release: str) -> list[int]:
    """Return the numbers of a release, by which older and newer ones are told apart."""
    return [int(number) for number in re.findall("[0-9]+", release)]


def machine_architecture() -> str:
    """Return this machine's architecture as packages name it."""
    return package_architecture(parse_architecture(platform.machine()))


def _hint(apt: IsolatedApt, release: str) -> str:
    listed = listed_releases(apt)
    newest = [name for name in listed if flavour(name) == flavour(release)][-1:]
    near = list(dict.fromkeys([*same_kind(listed, release)[-2:], *newest]))
    return f"; the newest listed are {', '.join(near)}" if near else ""


def _number(release: str) -> str:
    return release.partition("-")[0]


def _qualified(name: str, version: str | None) -> str:
    # kbuild holds programs that run during the build, so it must fit this machine.
    architecture = f":{machine_architecture()}" if name.startswith("linux-kbuild-") else ""
    return f"{name}{architecture}" + (f"={version}" if version else "")
