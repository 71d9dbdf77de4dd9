"""Where the repositories are: base URLs, mirror lists and metalinks, one per architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.discovery.fetch_errors import FetchError, Missing
from kmodbot.discovery.rpmmd import PATH, MetadataError, Mirrors, parse_mirrors, resolve

from .errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.discovery.fetch import Fetcher

_SCHEMES = ("http", "https", "file")
_LISTS = ("mirror", "metalink")


@dataclass(frozen=True)
class RepositorySpec:
    """A repository by its URL: a base URL, a mirror list or a metalink.

    ``$basearch`` in the URL stands for the architecture and ``$releasever`` for ``latest``.
    """

    url: str

    @classmethod
    def parse(cls, url: str) -> RepositorySpec:
        """Return the repository; ``Unfit`` for what is no http, https or file URL."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or (parts.scheme != "file" and not parts.hostname):
            hint = f"file://{url}" if url.startswith("/") else "https://HOST/PATH or file:///PATH"
            raise Unfit(url, f"is no URL of a repository; expected {hint}")
        if parts.username is not None or parts.password is not None:
            shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            raise Unfit(shown, "must not hold a user name or password")
        return cls(url)


_CDN = "https://cdn.amazonlinux.com/al2023"

#: Amazon's own: the live patches and everything the distribution ships.
#: https://docs.aws.amazon.com/linux/al2023/ug/live-patching.html
DEFAULT_REPOSITORIES = (
    RepositorySpec(f"{_CDN}/kernel-livepatch/mirrors/al2023/$basearch/mirror.list"),
    RepositorySpec(f"{_CDN}/core/mirrors/$releasever/$basearch/mirror.list"),
)


@dataclass(frozen=True)
class Source:
    """One URL to read, for the architectures that share it."""

    url: str
    architectures: tuple[str, ...]


def sources(specs: Sequence[RepositorySpec], architectures: Sequence[str]) -> list[Source]:
    """Return what is to be read: each URL once, in the order given."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        for architecture in architectures:
            found.setdefault(_substituted(spec.url, architecture), []).append(architecture)
    return [Source(url, tuple(dict.fromkeys(names))) for url, names in found.items()]


async def find_mirrors(source: Source, fetcher: Fetcher) -> list[Mirrors]:
    """Return the mirrors of each repository behind a source: one, or one per architecture.

    Raises ``Unfit`` or ``MetadataError`` when there is no repository, ``FetchError`` when nobody
    answers.
    """
    if any(word in source.url.rpartition("/")[2] for word in _LISTS):
        listed = _parsed(await fetcher.small(source.url), source.url)
    else:
        listed = await _base_or_list(source.url, fetcher)
    found = {}
    for architecture in source.architectures:
        bases = tuple(_substituted(base, architecture) for base in listed.bases)
        found[bases] = Mirrors(bases, listed.statements)
    return list(found.values())


async def _base_or_list(url: str, fetcher: Fetcher) -> Mirrors:
    index = resolve(url, PATH, url)
    try:
        await fetcher.small(index)
    except Missing as missing:
        try:
            document = await fetcher.small(url)
        except FetchError:
            raise Unfit(url, f"is no repository: {PATH}: {missing.reason}") from None
        return _parsed(document, url)
    return Mirrors((url,))


def _parsed(document: bytes, url: str) -> Mirrors:
    try:
        return parse_mirrors(document, url)
    except MetadataError as error:
        remedy = f"give the URL of a repository (below it lies {PATH}) or of its mirror list"
        raise Unfit(url, f"{error.reason}; {remedy}") from None


def _substituted(url: str, architecture: str) -> str:
    return url.replace("$basearch", architecture).replace("$releasever", "latest")
