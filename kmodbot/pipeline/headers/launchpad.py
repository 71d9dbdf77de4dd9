"""Headers that Ubuntu has removed from its suites, from where they were built.

Launchpad keeps every file that was ever published, and says of each in which series it was: the
same kernel release is built anew for another Ubuntu version.
https://api.launchpad.net/devel.html#archive-getPublishedBinaries
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from kmodbot.kernels import package_architecture
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.control import DebPackage, read_package
from kmodbot.pipeline.headers.download import Downloader
from kmodbot.pipeline.headers.unpack import unpack_headers

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.mirrors import Mirror
    from kmodbot.pipeline.headers.suites import AptDistribution
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

_ARCHIVE = "/ubuntu/+archive/primary"
_SELF = re.compile(rf".*{re.escape(_ARCHIVE)}/\+binarypub/([0-9]{{1,12}})")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*\.deb")
# What waits for publication may never be published.
_STATES = ("Published", "Superseded", "Deleted", "Obsolete")


@dataclass(frozen=True)
class Launchpad:
    """The files that were published for one Ubuntu version, whatever became of them since."""

    name: str
    distribution: AptDistribution
    api: Mirror
    files: Mirror

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` and unpack them below `work`."""
        codename = self.distribution.codename(kernel.distro_version)
        series = f"/ubuntu/{codename}/{package_architecture(kernel.architecture)}"
        asked = _Publications(
            Downloader(cache, log), self.api.address(), self.files.address(), series
        )
        found: dict[str, Path] = {}
        wanted: dict[str, str | None] = {f"linux-headers-{kernel.release}": None}
        while wanted:
            name, version = wanted.popitem()
            found[name], package = asked.fetch(name, version)
            # What belongs together was built from one source, so it has one version.
            needed = {needed: exact or package.version for needed, exact in package.needed}
            wanted.update((each, needed[each]) for each in needed if each not in found)
            log.line(f"headers: {package.name} {package.version}")
        log.note(
            f"headers of {kernel.release}: from Launchpad, whose files are not signed; verified by "
            "its checksums over HTTPS only"
        )
        return unpack_headers(list(found.values()), kernel.release, work / "root")


@dataclass(frozen=True)
class _Publications:
    """What was published in `series`, such as /ubuntu/noble/amd64."""

    downloader: Downloader
    api: str
    files: str
    series: str

    def fetch(self, name: str, version: str | None) -> tuple[Path, DebPackage]:
        """Return the file of the package `name`, of this version when one is given."""
        entries = self._entries(name)
        fitting = [entry for entry in entries if self._fits(entry, name, version)]
        if not fitting:
            which = f"{name} {version}" if version else name
            raise HeadersNotFound(f"{which} was never published in {self.series[1:]}")
        best = max(fitting, key=_preference)
        url, size, sha256 = self._file(str(best.get("self_link")))
        path = self.downloader.fetch(url, sha256=sha256, size=size)
        package = read_package(path)
        architecture = self.series.rpartition("/")[2]
        fits = package.architecture in {architecture, "all"} and package.name == name
        if not fits or package.version != best["binary_package_version"]:
            raise HeadersNotFound(f"{url}: holds {package.wanted}, not {name}")
        return path, package

    def _entries(self, name: str) -> list[dict[str, Any]]:
        query = {
            "ws.op": "getPublishedBinaries",
            "binary_name": name,
            "exact_match": "true",
            "distro_arch_series": f"{self.api}{self.series}",
            "ws.size": "300",
        }
        answer = self._read(f"{self.api}{_ARCHIVE}?{urlencode(query)}")
        entries = answer.get("entries") if isinstance(answer, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise self._unexpected()
        return entries

    def _fits(self, entry: dict[str, Any], name: str, version: str | None) -> bool:
        """Whether it is what was asked for: a server that ignored a word must not mislead."""
        return (
            str(entry.get("distro_arch_series_link")).endswith(self.series)
            and entry.get("binary_package_name") == name
            and entry.get("binary_package_version")
            == (version or entry.get("binary_package_version"))
            and entry.get("status") in _STATES
        )

    def _file(self, link: str) -> tuple[str, int, str]:
        """Return the address of a publication's file, its size in bytes and its sha256."""
        match = _SELF.fullmatch(link)
        if match is None:
            raise self._unexpected()
        query = "ws.op=binaryFileUrls&include_meta=true"
        answer = self._read(f"{self.api}{_ARCHIVE}/+binarypub/{match[1]}?{query}")
        try:
            (file,) = answer
            name = unquote(file["url"].rpartition("/")[2])
            size, sha256 = int(file["size"]), file["sha256"]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._unexpected() from None
        if not _FILE_NAME.fullmatch(name) or not re.fullmatch("[0-9a-f]{64}", str(sha256)):
            raise self._unexpected()
        return f"{self.files}{_ARCHIVE}/+files/{quote(name)}", size, sha256

    def _read(self, url: str) -> Any:
        try:
            return json.loads(self.downloader.read(url))
        except ValueError:
            raise self._unexpected() from None

    def _unexpected(self) -> HeadersNotFound:
        return HeadersNotFound(f"{self.api}: an answer of another shape than expected")


def _preference(entry: dict[str, Any]) -> tuple[bool, str]:
    # A build that never left -proposed is the last choice; of others the newest counts.
    return entry.get("pocket") != "Proposed", str(entry.get("date_published") or "")
