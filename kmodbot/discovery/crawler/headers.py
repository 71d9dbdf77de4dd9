"""Header packages of Debian and Ubuntu: their file names hold what ``uname -r`` prints."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

_PREFIX, _SUFFIX = "linux-headers-", ".deb"
_PARTS = 3


class Header(NamedTuple):
    """A headers package: kernel release, package version, architecture, source package.

    ``source`` is what follows ``linux-`` in the name of the source package, empty for ``linux``
    itself and None when the address does not lie in a pool.
    """

    release: str
    version: str
    architecture: str
    source: str | None


def read_headers(addresses: tuple[str, ...]) -> list[Header]:
    """Return the packages that hold the headers of one flavour, each once, in their order.

    Only these name a kernel release. A list also has their common parts, which are of no flavour,
    and ``linux-kbuild``, which may be of another Debian.
    """
    found: dict[str, Header] = {}
    for address in addresses:
        folder, _, name = address.rpartition("/")
        if not name.startswith(_PREFIX) or not name.endswith(_SUFFIX) or name in found:
            continue
        parts = (unquote(name) if "%" in name else name)[len(_PREFIX) : -len(_SUFFIX)].split("_")
        if len(parts) == _PARTS and parts[2] != "all" and "-common" not in parts[0]:
            found[name] = Header(parts[0], parts[1], parts[2], _source(folder))
    return list(found.values())


def _source(folder: str) -> str | None:
    """Return the source package of ``.../pool/main/l/linux-hwe-6.8`` without its ``linux-``.

    https://www.debian.org/doc/manuals/debian-reference/ch02.en.html names the layout of a pool.
    """
    pool, _, name = folder.rpartition("/")
    if "/pool/" not in pool or not name.startswith("linux"):
        return None
    return name[len("linux-") :]
