"""CentOS: bare ``.el9`` and later is Stream; up to 8 there was CentOS Linux.

CentOS Linux ended with 8: https://www.centos.org/centos-linux-eol/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .answer import Answer, read_own

if TYPE_CHECKING:
    from ..entry import Entry

# A minor number in the tag: CentOS Linux 8 had one, Stream never does.
_MINOR_OF_8 = re.compile(r".+\.el8_[0-9]+\.(x86_64|aarch64)")
# Where the packages of 8 lie: .../centos/8-stream/BaseOS/..., .../centos/8.4.2105/BaseOS/...
_PLACE = re.compile(r"/8(?:(-stream)|[.0-9]*)/")


def read(entry: Entry) -> Answer:
    """Return what a CentOS entry is; UnsupportedError when it is none."""
    release = entry.kernelrelease
    minor = _MINOR_OF_8.fullmatch(release)
    if minor:
        return Answer(("8",), (release,), minor[1])
    reading = read_own("centos", release)
    (architecture,) = reading.architectures
    versions = reading.candidates
    if len(versions) > 1:
        versions = _by_place(entry.headers) or versions
    return Answer(versions, (release,), architecture, alone=reading.candidates)


def _by_place(headers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the addresses say when they agree: ``8`` or ``stream8``."""
    places = [_PLACE.search(address) for address in headers]
    found = {"stream8" if place[1] else "8" for place in places if place}
    return tuple(found) if len(found) == 1 else ()
