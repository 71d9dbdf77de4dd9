"""The kernels that are wanted, from kernels.json and from kernel-crawler lists."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import ARCHITECTURES, SUPPORTED, InvalidInput, Kernel, read_kernels

from ..crawler import BadListError, read_findings
from ..crawler.finding import OK
from .errors import BadInputError
from .group import Group

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ..crawler import Entry, Finding

KERNELS_JSON, CRAWLER = "kernels.json", "kernel-crawler"


class Wanted:
    """Releases by group, where they come from, and how many entries were left out and why."""

    def __init__(self) -> None:
        self.groups: dict[Group, set[str]] = {}
        self.left_out: Counter[str] = Counter()
        self.sources: set[str] = set()

    def add_kernels_json(self, path: Path) -> None:
        """Add the kernels of a kernels.json; BadInputError when it is not one."""
        try:
            document = path.read_text(encoding="utf-8")
            kernels = read_kernels(document)
        except OSError as error:
            remedy = "give the path of a kernels.json with --kernels"
            raise BadInputError(f"{path}: {error.strerror}; {remedy}") from None
        except UnicodeDecodeError:
            raise BadInputError(f"{path}: not text in UTF-8; repair it") from None
        except InvalidInput as error:
            raise BadInputError(f"{path}: {error.message}") from None
        _require_no_other_list(path, document)
        _require_once(path, kernels)
        for kernel in kernels:
            group = Group(kernel.distribution, kernel.distro_version, kernel.architecture)
            self.groups.setdefault(group, set()).add(kernel.release)
        self.sources.add(KERNELS_JSON)

    def add_crawler_list(self, source: str, architecture: str | None) -> None:
        """Add the kernels of a kernel-crawler list, a file or an address.

        ``architecture`` is that of the list where neither its entries nor its path tell.

        Raises:
            BadListError: the list is malformed, or an architecture cannot be known.
            UnreachableError: it cannot be fetched.

        """
        for entry, finding in read_findings(source, architecture):
            self._add(source, entry, finding)
        self.sources.add(CRAWLER)

    def only(self, distributions: Collection[str]) -> dict[Group, set[str]]:
        """Return the groups of these distributions; the kernels of others count as left out.

        ``groups`` keeps them, so that what is asked for does not make a list shrink.
        """
        for group, releases in self.groups.items():
            if group.distribution not in distributions:
                self.left_out[f"{group.distribution}: not asked for"] += len(releases)
        return {
            group: releases
            for group, releases in self.groups.items()
            if group.distribution in distributions
        }

    def _add(self, source: str, entry: Entry, finding: Finding) -> None:
        if finding.status != OK:
            name = finding.distribution
            cause = finding.cause or finding.status
            self.left_out[f"{name}: {cause}" if name else cause] += 1
            return
        distribution, version = finding.distribution or "", finding.distro_version or ""
        if version not in SUPPORTED[distribution]:
            self.left_out[f"no image for {distribution} {version}"] += 1
        elif entry.devel == "missing":
            self.left_out[f"{distribution} {version}: no devel package in the repository"] += 1
        elif not finding.releases:
            self.left_out[f"{distribution} {version}: kernel release unknown, no headers"] += 1
        elif finding.architecture is None:
            message = f"{source}: {entry.place}: the architecture is not known; say it with --arch"
            raise BadListError(message)
        else:
            group = Group(distribution, version, finding.architecture)
            for release in finding.releases:
                self._add_release(group, release)

    def _add_release(self, group: Group, release: str) -> None:
        try:
            Kernel.parse(
                distribution=group.distribution,
                distro_version=group.distro_version,
                architecture=group.architecture,
                release=release,
            )
        except InvalidInput as error:
            cause = "release and distro version or architecture contradict each other"
            if error.field == "kernel_version":
                cause = f"not a kernel release of {group.distribution}"
            self.left_out[f"{group.distribution} {group.distro_version}: {cause}"] += 1
            return
        self.groups.setdefault(group, set()).add(release)


def _require_no_other_list(path: Path, document: str) -> None:
    """Refuse what ``add_kernel`` lets pass: read as a kernels.json it would hold no kernel."""
    if not document.strip():
        remedy = "restore it, or write {} into it if there is nothing to build"
        raise BadInputError(f"{path}: is empty; {remedy}")
    content: dict[str, Any] = json.loads(document)
    for key, value in content.items():
        if key in ARCHITECTURES or not isinstance(value, list):
            continue
        if any(isinstance(entry, dict) and "kernelversion" in entry for entry in value):
            remedy = "this is a kernel-crawler list; give it as --crawler"
            raise BadInputError(f"{path}: {key!a}: {remedy}")
        expected = f"expected {' or '.join(ARCHITECTURES)} as the name of a list"
        raise BadInputError(f"{path}: {key!a}: {expected}; rename or remove it")


def _require_once(path: Path, kernels: list[Kernel]) -> None:
    places: dict[Kernel, str] = {}
    indexes: Counter[str] = Counter()
    for kernel in kernels:
        place = f"{kernel.architecture}[{indexes[kernel.architecture]}]"
        indexes[kernel.architecture] += 1
        if kernel in places:
            message = f"{place} repeats {places[kernel]} ({kernel.distribution} {kernel.release})"
            raise BadInputError(f"{path}: {message}; remove one of them")
        places[kernel] = place
