"""Metadata files for the tests: written by createrepo_c, and by hand where it would not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from dataclasses import dataclass
from typing import TYPE_CHECKING

import createrepo_c  # type: ignore[import-untyped]
import zstandard

from kmodbot.discovery.rpmmd import Digest, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<metadata xmlns="http://linux.duke.edu/metadata/common"'
    ' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{count}">\n'
)
TAIL = "</metadata>\n"

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@dataclass(frozen=True)
class Sample:
    """A package to be listed."""

    name: str
    version: str = "1.0"
    release: str = "1.amzn2023"
    arch: str = "x86_64"
    epoch: str = "0"
    description: str = "What it is for"
    packager: str | None = "Amazon Linux"
    href: str | None = None

    def package(self) -> createrepo_c.Package:
        """Return the package as createrepo_c knows it."""
        package = createrepo_c.Package()
        package.name, package.arch, package.epoch = self.name, self.arch, self.epoch
        package.version, package.release = self.version, self.release
        package.checksum_type = "sha256"
        package.pkgId = hashlib.sha256(repr(self).encode()).hexdigest()
        package.summary, package.description = "A package", self.description
        package.rpm_packager = self.packager
        nevra = f"{self.name}-{self.version}-{self.release}.{self.arch}"
        package.location_href = self.href or f"../../blobstore/0a/{nevra}.rpm"
        package.provides = [(self.name, "EQ", self.epoch, self.version, self.release, False)]
        package.requires = [("/bin/sh", None, None, None, None, False)]
        return package

    def xml(self) -> str:
        """Return what createrepo_c writes for the package."""
        return str(createrepo_c.xml_dump_primary(self.package()))


def primary_xml(samples: Iterable[Sample]) -> str:
    """Return a primary.xml as createrepo_c writes it."""
    packages = [sample.xml() for sample in samples]
    return HEAD.format(count=len(packages)) + "".join(packages) + TAIL


def write(path: Path, document: bytes, compression: str = "gz") -> Item:
    """Write a metadata file and return what an index would state of it."""
    data = COMPRESSIONS[compression](document)
    path.write_bytes(data)
    return Item(
        type="primary",
        url=f"https://repo.example/{path.name}",
        checksum=sha256(data),
        size=len(data),
        open_checksum=sha256(document),
        open_size=len(document),
    )


def sha256(data: bytes) -> Digest:
    """Return the digest of bytes."""
    return Digest("sha256", hashlib.sha256(data).hexdigest())
