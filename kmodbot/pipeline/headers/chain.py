"""Which sources of headers are asked, in which order, for each distribution."""

from __future__ import annotations

import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.headers import debian, ubuntu
from kmodbot.pipeline.headers.advice import Failure, advice
from kmodbot.pipeline.headers.deadline import deadline, require_time
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
            """Put the headers below `work`; raises BuildError when it cannot."""


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
    """Return the headers from the first source that has them whole.

    Whatever goes wrong with a source ends that step only. Raises BuildError listing every source
    and what a person can do, BadInput at once for a setting that is wrong.
    """
    failures: list[Failure] = []
    with deadline():
        for number, source in enumerate(CHAINS[kernel.distribution] if chain is None else chain):
            started = time.monotonic()
            try:
                tree = _ask(source, kernel, work / f"headers-{number}", cache, log)
            except BadInput:
                raise
            except BuildError as error:
                failures.append(Failure(source.name, error, time.monotonic() - started))
                log.line(f"headers: {failures[-1]}")
            else:
                log.line(f"headers: {source.name}: found ({time.monotonic() - started:.1f} s)")
                return replace(tree, source=source.name)
    raise BuildError(advice(kernel, failures))


def _ask(source: Source, kernel: Kernel, directory: Path, cache: Path, log: Log) -> HeaderTree:
    require_time()
    directory.mkdir(parents=True)
    tree = source.fetch(kernel, directory, cache, log)
    tree.check()
    return tree
