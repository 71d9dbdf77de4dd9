"""Reads one repository: its index, its list of packages, and the kernels those name."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.discovery.fetch_errors import FetchError
from kmodbot.discovery.rpmmd import (
    PATH,
    MetadataError,
    Wanted,
    looks_like_html,
    parse_repomd,
    read_primary,
    resolve,
)
from kmodbot.kernels import InvalidInput, Kernel, version_key

from .errors import Unfit
from .naming import Role, is_amazon, may_name_a_kernel, named_by, parse_kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmodbot.discovery.fetch import Fetcher
    from kmodbot.discovery.rpmmd import Item, Mirrors, Package, Primary

_SYSTEM = "system-release"
_WANTED = Wanted(("kernel", _SYSTEM), lambda name: name == _SYSTEM or may_name_a_kernel(name))
_RELEASE = re.compile(r"2023\.[0-9]+\.[0-9]{8}")
_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """A kernel as one package of a repository names it; ``url`` is the package's."""

    kernel: Kernel
    role: Role
    package: str
    epoch: str
    url: str
    al2023_release: str | None


@dataclass(frozen=True)
class Unsupported:
    """A package that names a kernel of another version of Amazon Linux, and why it is left out."""

    package: str
    reason: str


@dataclass(frozen=True)
class Contents:
    """What a repository holds: kernels, those left out, and the number of all packages."""

    found: tuple[Found, ...]
    unsupported: tuple[Unsupported, ...]
    packages: int


async def read_repository(
    mirrors: Mirrors, architectures: Sequence[str], fetcher: Fetcher
) -> Contents:
    """Return the contents as the first mirror that can be read has them.

    Raises the failure of the last mirror, with those of the others in its reason.
    """
    failures: list[FetchError | MetadataError] = []
    for base in mirrors.bases:
        try:
            return await _read(base, mirrors, architectures, fetcher)
        except (FetchError, MetadataError) as failure:
            failures.append(failure)
    if len(failures) == 1:
        raise failures[0]
    raise FetchError(mirrors.bases[-1], f"no mirror is usable: {'; '.join(map(str, failures))}")


async def _read(
    base: str, mirrors: Mirrors, architectures: Sequence[str], fetcher: Fetcher
) -> Contents:
    index = resolve(base, PATH, base)
    document = await fetcher.small(index)
    if looks_like_html(document):
        raise Unfit(index, "is a web page (HTML), expected the repomd.xml of a repository")
    mirrors.check(document, index)
    item = parse_repomd(document, base).primary()
    primary = await _primary(item, fetcher)
    if not primary.count:
        raise Unfit(base, "is an empty repository: it lists no packages")
    return _contents(primary.packages, primary.count, base, item.url, architectures)


async def _primary(item: Item, fetcher: Fetcher) -> Primary:
    kept = fetcher.holds(item)
    path = await fetcher.large(item)
    try:
        return await asyncio.to_thread(read_primary, path, item, _WANTED)
    except MetadataError:
        if not kept:
            raise
    # The disk may have damaged the copy; the repository says how it really is.
    fetcher.forget(item)
    path = await fetcher.large(item)
    return await asyncio.to_thread(read_primary, path, item, _WANTED)


def _contents(
    packages: Sequence[Package], count: int, base: str, file: str, architectures: Sequence[str]
) -> Contents:
    release = _al2023_release(packages, base)
    found: list[Found] = []
    unsupported: list[Unsupported] = []
    foreign: list[str] = []
    for package in packages:
        named = named_by(package)
        if named is None:
            continue
        try:
            kernel = parse_kernel(named, package.arch)
        except InvalidInput as error:
            if is_amazon(error):
                unsupported.append(Unsupported(package.nevra, error.message))
            else:
                foreign.append(package.nevra)
            continue
        url = resolve(base, package.href, file, package.xml_base)
        found.append(Found(kernel, named.role, package.nevra, package.epoch, url, release))
    if not found:
        raise Unfit(base, _nothing(count, unsupported, foreign))
    wanted = tuple(item for item in found if item.kernel.architecture in architectures)
    return Contents(wanted, tuple(unsupported), count)


def _al2023_release(packages: Iterable[Package], base: str) -> str | None:
    """Return the release of Amazon Linux 2023 whose list of packages this is, where it is said."""
    versions = [package.version for package in packages if package.name == _SYSTEM]
    known = [version for version in versions if _RELEASE.fullmatch(version)]
    if known:
        return max(known, key=version_key)
    named = _RELEASE.search(base)
    return named[0] if named else None


def _nothing(count: int, unsupported: Sequence[Unsupported], foreign: Sequence[str]) -> str:
    if unsupported:
        example = f"{unsupported[0].package}: {unsupported[0].reason}"
        return f"holds {len(unsupported)} kernel packages, all of an unsupported version: {example}"
    if foreign:
        shown = ", ".join(foreign[:_SHOWN])
        return f"is a repository of another distribution: its kernels are no Amazon Linux: {shown}"
    return f"names no Amazon Linux 2023 kernel in {count} packages; is it the right repository?"
