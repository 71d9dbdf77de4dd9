"""Which kernels the demo is about: real ones, whose headers Debian has today."""

from __future__ import annotations

import io
import os
import platform
import re
from itertools import takewhile
from pathlib import Path

from kmodbot.kernels import Kernel, parse_architecture
from kmodbot.pipeline.headers import CHAINS
from kmodbot.pipeline.headers.suites import AptSuites
from kmodbot.pipeline.phases import Log

# Kept between demos; the builder's own cache.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmodbot"


class NoSuchKernel(Exception):
    """Debian does not list the kernel; the message says which ones it does."""


def choose(release: str | None) -> tuple[Kernel, Kernel]:
    """Return the kernel of the first node and another one for the fifty.

    Raises:
        NoSuchKernel: ``release`` is not one that Debian lists.
        InvalidInput: ``release`` is no Debian kernel release for this machine.

    """
    architecture = parse_architecture(platform.machine())
    distro_version = "12"
    if release is not None:
        asked = Kernel.parse(distribution="debian", architecture=architecture, release=release)
        distro_version = asked.distro_version
    listed = _listed(distro_version, architecture)
    plain = (name for name in reversed(listed) if re.fullmatch(r"6\.1\.0-[0-9]+-a[a-z]+64", name))
    first = release or next(plain)
    if first not in listed:
        raise NoSuchKernel(f"Debian {distro_version} lists no {first}; it has {', '.join(listed)}")
    # The nearest neighbour shares most of its headers, which are then in the cache.
    other = max((name for name in listed if name != first), key=lambda name: _alike(name, first))
    return (
        _kernel(distro_version, architecture, first),
        _kernel(distro_version, architecture, other),
    )


def _listed(distro_version: str, architecture: str) -> list[str]:
    names: dict[str, None] = {}
    for source in CHAINS["debian"]:
        # The archives of old kernels that come after these cannot be listed.
        if isinstance(source, AptSuites):
            log = Log(stream=io.StringIO())
            names.update(dict.fromkeys(source.releases(distro_version, architecture, CACHE, log)))
    return list(names)


def _alike(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _kernel(distro_version: str, architecture: str, release: str) -> Kernel:
    return Kernel.parse(
        distribution="debian",
        distro_version=distro_version,
        architecture=architecture,
        release=release,
    )
