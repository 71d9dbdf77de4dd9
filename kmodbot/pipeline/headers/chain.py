"""Which sources of headers are asked, in which order, for each distribution."""

from __future__ import annotations

import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers import debian, ubuntu
from kmodbot.pipeline.headers.rpm import amazonlinux, centos, fedora

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Protocol

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

    class Source(Protocol):
        """One place that may have the headers of a kernel."""

        @property
        def name(self) -> str:
            """What the place is called in log and errors."""

        def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
            """Put the headers below `work`; raises HeadersNotFound when they are not there."""


CHAINS: Mapping[str, tuple[Source, ...]] = MappingProxyType(
    {
        "debian": debian.CHAIN,
        "ubuntu": ubuntu.CHAIN,
        "fedora": fedora.CHAIN,
        "centos": centos.CHAIN,
        "amazonlinux": amazonlinux.CHAIN,
    }
)


def fetch_headers(
    kernel: Kernel,
    work: Path,
    cache: Path,
    log: Log,
    chain: Sequence[Source] | None = None,
) -> HeaderTree:
    """Return the headers from the first source that has them.

    Raises BuildError listing every source that was asked and what a person can do.
    """
    tried: list[str] = []
    for number, source in enumerate(CHAINS[kernel.distribution] if chain is None else chain):
        directory = work / f"headers-{number}"
        directory.mkdir(parents=True)
        started = time.monotonic()
        try:
            tree = source.fetch(kernel, directory, cache, log)
        except HeadersNotFound as error:
            outcome = f"{source.name}: {error} ({time.monotonic() - started:.1f} s)"
            log.line(f"headers: {outcome}")
            tried.append(outcome)
        else:
            log.line(f"headers: {source.name}: found ({time.monotonic() - started:.1f} s)")
            tree.check()
            return replace(tree, source=source.name)
    raise BuildError(_advice(kernel, tried))


def _advice(kernel: Kernel, tried: Sequence[str]) -> str:
    lines = "\n".join(f"  {number}. {outcome}" for number, outcome in enumerate(tried, 1))
    return (
        f"no headers for {kernel.release} ({kernel.distribution} {kernel.distro_version}, "
        f"{kernel.architecture}); asked were:\n{lines}\n"
        "Distributions remove the headers of kernels they have replaced. Boot the node on a "
        "kernel that is still listed, or point the builder at an archive that keeps old ones "
        "(see --help: mirrors)."
    )
