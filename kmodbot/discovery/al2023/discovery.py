"""Asks every source and unites what they say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kmodbot.discovery.fetch import Fetcher
from kmodbot.discovery.fetch_errors import FetchError
from kmodbot.discovery.progress import Silent
from kmodbot.discovery.rpmmd import MetadataError
from kmodbot.kernels import ARCHITECTURES, parse_architecture

from .errors import Unfit
from .kernels import DiscoveredKernel, unite
from .naming import Role
from .repository import Contents, Unsupported, read_repository
from .sources import DEFAULT_REPOSITORIES, RepositorySpec, Source, find_mirrors, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmodbot.discovery.progress import Progress

    from .repository import Found


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    ``unknown`` means that it could not be read, for the ``reason``, and never that it is empty;
    ``unfit`` that the place itself is wrong, so that another try will not help.
    """

    url: str
    architectures: tuple[str, ...]
    status: Literal["ok", "unknown"]
    packages: int = 0
    kernels: int = 0
    reason: str = ""
    unfit: bool = False


@dataclass(frozen=True)
class Discovery:
    """The kernels of all sources that could be read, sorted by version, and each outcome."""

    kernels: tuple[DiscoveredKernel, ...]
    outcomes: tuple[Outcome, ...]
    unsupported: tuple[Unsupported, ...]

    @property
    def complete(self) -> bool:
        """Whether every source could be read."""
        return all(outcome.status == "ok" for outcome in self.outcomes)


async def discover(
    repositories: Sequence[RepositorySpec] = DEFAULT_REPOSITORIES,
    architectures: Sequence[str] = ARCHITECTURES,
    *,
    fetcher: Fetcher | None = None,
    progress: Progress | None = None,
) -> Discovery:
    """Return the kernels that the repositories name for the architectures.

    A source that fails is ``unknown`` in the outcomes and never ends the work of the others.
    Raises ``InvalidInput("architecture")`` for an architecture that is none. Without a fetcher
    one is made that keeps nothing.
    """
    if fetcher is None:
        async with Fetcher(progress=progress) as own:
            return await discover(repositories, architectures, fetcher=own, progress=progress)
    wanted = [parse_architecture(architecture) for architecture in architectures]
    told = progress or Silent()
    asked = [_ask(source, fetcher, told) for source in sources(repositories, wanted)]
    answers = await asyncio.gather(*asked)
    found = [item for _, all_contents in answers for part in all_contents for item in part.found]
    left_out = {item for _, parts in answers for part in parts for item in part.unsupported}
    outcomes = tuple(outcome for outcome, _ in answers)
    return Discovery(
        kernels=unite(found, _whole(found, outcomes)),
        outcomes=outcomes,
        unsupported=tuple(sorted(left_out, key=lambda item: item.package)),
    )


def _whole(found: Iterable[Found], outcomes: Sequence[Outcome]) -> set[str]:
    """Return the architectures whose core was read, and of which no source failed."""
    core = (Role.KERNEL, Role.DEVEL)
    read = {item.kernel.architecture for item in found if item.role in core}
    failed = (outcome for outcome in outcomes if outcome.status == "unknown")
    return read.difference(*(outcome.architectures for outcome in failed))


def _reason(url: str, error: FetchError | MetadataError | Unfit) -> str:
    """Say what is wrong with a source, or with a file below it, without its own address."""
    text, base = str(error), url.rstrip("/")
    below = text.removeprefix(base)
    return below.lstrip("/:").lstrip() if below.startswith(("/", ":")) else text


async def _ask(
    source: Source, fetcher: Fetcher, progress: Progress
) -> tuple[Outcome, list[Contents]]:
    try:
        contents = [
            await read_repository(mirrors, source.architectures, fetcher)
            for mirrors in await find_mirrors(source, fetcher)
        ]
    except (FetchError, MetadataError, Unfit) as error:
        outcome = Outcome(
            source.url,
            source.architectures,
            "unknown",
            reason=_reason(source.url, error),
            unfit=isinstance(error, Unfit),
        )
        progress.say(f"unknown  {source.url}\n         {outcome.reason}")
        return outcome, []
    outcome = _success(source, contents)
    progress.say(f"ok       {source.url}: {outcome.packages} packages, {outcome.kernels} kernels")
    return outcome, contents


def _success(source: Source, contents: list[Contents]) -> Outcome:
    kernels = {item.kernel for part in contents for item in part.found}
    packages = sum(part.packages for part in contents)
    return Outcome(source.url, source.architectures, "ok", packages, len(kernels))
