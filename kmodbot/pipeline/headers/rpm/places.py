"""Packages at addresses that can be told from the kernel release alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from kmodbot.pipeline.errors import HeadersNotFound, together
from kmodbot.pipeline.headers.download import Downloader
from kmodbot.pipeline.headers.rpm.accept import Acceptance
from kmodbot.pipeline.headers.rpm.names import DevelPackage, devel_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.mirrors import Mirror
    from kmodbot.pipeline.headers.rpm.signatures import Keys
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log


@dataclass(frozen=True)
class Place:
    """A directory of packages: `path` below the mirror, with ``{number}`` and ``{arch}``.

    Only packages whose name begins with `family` are there.
    """

    mirror: Mirror
    path: str
    family: str = "kernel"

    def urls(self, kernel: Kernel) -> Iterator[str]:
        """Give the addresses that the headers of `kernel` may have here."""
        number = kernel.distro_version.replace("stream", "")
        directory = self.path.format(number=number, arch=kernel.architecture)
        for file in devel_package(kernel).files:
            if file.startswith(self.family):
                yield f"{self.mirror.address()}/{directory}/{quote(file)}"


@dataclass(frozen=True)
class Places:
    """Servers of a distribution that keep its packages in plain directories."""

    name: str
    places: tuple[Place, ...]
    keys: Keys

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Return the headers from the first address that has them, signed."""
        urls = (url for place in self.places for url in place.urls(kernel))
        acceptance = Acceptance.of(kernel, self.keys, work, log)
        downloader = Downloader(cache, log)
        return first_good(lambda url: fetch_one(url, acceptance, downloader), urls)


@dataclass(frozen=True)
class Koji:
    """A build system's own store, which keeps builds long after the mirrors drop them.

    With `signers` (distro version to key ids) the copies signed by these keys, else the ones that
    the builders left, which nobody has signed.
    https://docs.pagure.org/koji/
    """

    name: str
    top: Mirror
    keys: Keys
    signers: Mapping[str, tuple[str, ...]] | None = None

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Return the headers that Koji keeps for `kernel`."""
        unsigned = self.signers is None
        acceptance = Acceptance.of(kernel, self.keys, work, log, unsigned=unsigned)
        downloader = Downloader(cache, log)
        return first_good(lambda url: fetch_one(url, acceptance, downloader), self._urls(kernel))

    def _urls(self, kernel: Kernel) -> Iterator[str]:
        wanted = devel_package(kernel)
        for file in wanted.files:
            for directory in self._directories(kernel.distro_version):
                yield f"{self._build(wanted)}/{directory}{wanted.architecture}/{quote(file)}"

    def _build(self, wanted: DevelPackage) -> str:
        return f"{self.top.address()}/packages/{wanted.build}/{wanted.version}/{wanted.release}"

    def _directories(self, distro_version: str) -> list[str]:
        if self.signers is None:
            return [""]
        ids = self.signers.get(distro_version, ())
        if not ids:
            raise HeadersNotFound(f"the keys that sign {distro_version} are not known")
        return [f"data/signed/{key}/" for key in ids]


def first_good(fetch: Callable[[str], HeaderTree], urls: Iterable[str]) -> HeaderTree:
    """Return the headers from the first of `urls` that `fetch` gets them from.

    Raises HeadersNotFound with what every address gave.
    """
    failures: list[HeadersNotFound] = []
    for url in urls:
        try:
            return fetch(url)
        except HeadersNotFound as error:  # noqa: PERF203 - nothing beside a request
            failures.append(error)
    raise together(failures)


def fetch_one(
    url: str,
    acceptance: Acceptance,
    downloader: Downloader,
    *,
    sha256: str | None = None,
    size: int | None = None,
) -> HeaderTree:
    """Return the headers from `url`; raises HeadersNotFound naming it."""
    started = time.monotonic()
    package = downloader.fetch(url, sha256=sha256, size=size)
    try:
        return acceptance.accept(package, url)
    except HeadersNotFound as error:
        outcome = f"{url}: {error} ({time.monotonic() - started:.1f} s)"
        acceptance.log.line(f"headers: {outcome}")
        raise type(error)(outcome) from None
