"""primary.xml in the spelling that createrepo_c writes: found by searching, not by parsing.

Every package there starts the same way, right after the end of the one before::

    </package>
    <package type="rpm">
      <name>

Only the packages that are wanted are given to the XML parser. That is sound, and this is why. In
a document without comments, CDATA, processing instructions and DTD (``<!`` and ``<?`` do not
occur) every ``<`` starts a tag, so every ``</package`` that is not ``</packager>`` ends an element
named package. The scan accepts only a document whose first package follows the root tag and in
which each of those ends is either followed at once by the start of the next package or is the
last one, followed by the end of the root. Then as many packages start in this canonical way as
end at all, so none starts in another way, none is inside another, and nothing but packages is in
the root. The name follows the start tag, and without character references (``&#``) it is literal.
Whatever does not fit raises ``NotCanonical``, and the caller parses the whole document instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

from .packages import Package, Wanted, element_name, package
from .xml import COMMON, SAFE

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMON = re.escape(COMMON.strip("{}").encode())
_HEAD = re.compile(
    rb"""(?:<\?xml\ version="1\.0"(?:\ encoding="(?:UTF|utf)-8")?\ ?\?>\s*)?
    <metadata\ xmlns="%b"\ xmlns:rpm="http://linux\.duke\.edu/metadata/rpm"
    \ packages="([0-9]{1,9})">([ \t\n]*)(<package\ type="rpm">[ \t\n]*<name>)"""
    % _COMMON,
    re.VERBOSE,
)
_TAIL = re.compile(rb"</package>[ \t\n]*</metadata>\s*")
_END = b"</package"
_WHOLE_END = b"</package>"
_PACKAGER = b"</packager>"
_WRAP = (
    b'<metadata xmlns="http://linux.duke.edu/metadata/common"'
    b' xmlns:rpm="http://linux.duke.edu/metadata/rpm">%b</metadata>'
)
# No head is longer, and no wanted package may be.
_MAX_HEAD = 1 << 12
_MAX_KEPT = 4 << 20


class NotCanonical(Exception):
    """The document is spelled in another way; what was read of it so far counts for nothing."""


class CanonicalReader:
    """Collects the wanted packages and counts all of them, or raises ``NotCanonical``."""

    def __init__(self, file: str, wanted: Wanted) -> None:
        self._file = file
        self._wanted = wanted
        self._prefixes = tuple(prefix.encode() for prefix in wanted.prefixes)
        self._longest = max(map(len, self._prefixes), default=0)
        self._parser = etree.XMLParser(**SAFE)
        self._start = b""
        self._joint = b""
        self._buffer = b""
        self._at = 0
        self._open: int | None = None
        self.packages: list[Package] = []
        self.count = 0
        self.declared = 0

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read a whole document."""
        for piece in pieces:
            seen = len(self._buffer)
            self._buffer += piece
            if self._joint:
                self._take(seen)
            elif len(self._buffer) >= _MAX_HEAD:
                self._take(self._take_head())
        if not self._joint:
            self._take(self._take_head())
        self._finish()

    def _take_head(self) -> int:
        match = _HEAD.match(self._buffer)
        if match is None or match.end() + self._longest > len(self._buffer):
            raise NotCanonical
        self.declared = int(match[1])
        self._start = match[3]
        self._joint = _WHOLE_END + match[2] + match[3]
        self._begin(match.end())
        return match.end()

    def _take(self, seen: int) -> None:
        self._refuse_markup(seen)
        self._scan(len(self._buffer) - len(self._joint) - self._longest)
        self._let_go()

    def _refuse_markup(self, seen: int) -> None:
        data = self._buffer
        for second, first in ((b"!", b"<"), (b"?", b"<"), (b"#", b"&")):
            # The second character is the rarer one, and a single byte is found fastest.
            at = data.find(second, seen)
            while at >= 0:
                if data[at - 1 : at] == first and (first == b"<" or self._is_in_name(at)):
                    raise NotCanonical
                at = data.find(second, at + 1)

    def _is_in_name(self, at: int) -> bool:
        tag = self._buffer.rfind(b"<", 0, at)
        return tag < 0 or self._buffer.startswith(b"<name>", tag)

    def _scan(self, last: int) -> None:
        # Ends that start after ``last`` may be followed by more than the buffer holds.
        data, joint, at = self._buffer, self._joint, self._at
        while 0 <= (end := data.find(_END, at)) <= last:
            if data.startswith(joint, end):
                at = end + len(joint)
                self._close(end)
                self._begin(at)
            elif data.startswith(_PACKAGER, end):
                at = end + len(_PACKAGER)
            else:
                raise NotCanonical
        self._at = end if end >= 0 else max(at, len(data) - len(_END))

    def _begin(self, name: int) -> None:
        self.count += 1
        self._at = name
        if self._buffer.startswith(self._prefixes, name):
            self._open = name - len(self._start)

    def _close(self, end: int) -> None:
        if self._open is None:
            return
        text = self._buffer[self._open : end + len(_WHOLE_END)]
        name = text[len(self._start) : text.index(b"<", len(self._start))]
        self._open = None
        if b"&" in name or self._wanted.wants(name.decode("utf-8", "replace")):
            self._parse(text)

    def _parse(self, text: bytes) -> None:
        try:
            element = etree.fromstring(_WRAP % text, self._parser)[0]
        except (etree.XMLSyntaxError, IndexError):
            raise NotCanonical from None
        if self._wanted.wants(element_name(element)):
            self.packages.append(package(element, self._file))

    def _let_go(self) -> None:
        kept = [self._at, self._buffer.rfind(b"<"), len(self._buffer) - 1]
        if self._open is not None:
            kept.append(self._open)
        start = max(min(kept), 0)
        self._buffer = self._buffer[start:]
        self._at -= start
        if self._open is not None:
            self._open -= start
        if len(self._buffer) > _MAX_KEPT:
            raise NotCanonical

    def _finish(self) -> None:
        self._scan_rest()
        end = self._at
        if not _TAIL.fullmatch(self._buffer, end) or self.count != self.declared:
            raise NotCanonical
        self._close(end)

    def _scan_rest(self) -> None:
        tail = self._buffer.rfind(_END)
        self._scan(tail - 1)
