"""The whole of primary.xml through the XML parser: slower, and right for every spelling of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from .errors import MetadataError
from .packages import Package, Wanted, element_name, package
from .xml import COMMON, SAFE, refuse_dtd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml.etree import _Element

_ROOT = f"{COMMON}metadata"
_PACKAGE = f"{COMMON}package"
# The largest real packages have some 20,000 provides, 2 MiB; a tree takes many times its text.
_MAX_PACKAGE = 16 << 20
# The parser is fastest while what it is fed stays in the processor's cache.
_FEED = 1 << 15


class FullReader:
    """Collects the wanted packages and counts all of them."""

    def __init__(self, file: str, wanted: Wanted) -> None:
        self._file = file
        self._wanted = wanted
        self._root: _Element | None = None
        self._parser = etree.XMLPullParser(
            events=("end",), tag=_PACKAGE, remove_blank_text=True, **SAFE
        )
        self._since = 0
        self.packages: list[Package] = []
        self.count = 0
        self.declared: int | None = None

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read a whole document; ``MetadataError`` when it is no primary.xml."""
        try:
            for piece in pieces:
                for start in range(0, len(piece), _FEED):
                    self._feed(piece[start : start + _FEED])
            root = self._parser.close()
            self._take_events()
        except etree.XMLSyntaxError as error:
            raise MetadataError(self._file, f"is not well-formed XML: {error.msg}") from None
        if self._root is None:
            self._start(root)

    def _feed(self, piece: bytes) -> None:
        self._since += len(piece)
        self._parser.feed(piece)
        self._take_events()
        if self._since > _MAX_PACKAGE:
            raise MetadataError(self._file, f"has a package of over {_MAX_PACKAGE} bytes")

    def _take_events(self) -> None:
        for _, element in self._parser.read_events():
            if not isinstance(element, etree._Element):
                continue
            root = self._root
            if root is None:
                root = self._start(element.getroottree().getroot())
            if element.getparent() is root:
                self._take(element, root)

    def _start(self, root: _Element) -> _Element:
        refuse_dtd(root, self._file)
        if root.tag != _ROOT:
            expected = "the primary metadata of a repository"
            raise MetadataError(self._file, f"has the root element {root.tag}, expected {expected}")
        self._root = root
        declared = root.get("packages", "")
        if declared.isascii() and declared.isdigit() and len(declared) < 10:
            self.declared = int(declared)
        return root

    def _take(self, element: _Element, root: _Element) -> None:
        self.count += 1
        if self._wanted.wants(element_name(element)):
            self.packages.append(package(element, self._file))
        self._since = 0
        # What was read is let go, with everything before it: memory stays that of one package.
        element.clear()
        previous = element.getprevious()
        while previous is not None:
            root.remove(previous)
            previous = element.getprevious()
