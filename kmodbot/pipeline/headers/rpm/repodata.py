"""What a repository tells of its packages: repomd.xml and the primary list.

Only what finding one package needs, read piece by piece with the standard library: the builder
runs in images that have nothing else, and with a Python as old as 3.9. The fuller reader of the
kernel lists needs lxml and is not at hand there.
https://rpm-software-management.github.io/createrepo_c/
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlsplit
from xml.parsers import expat

from kmodbot.pipeline.errors import HeadersNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

_PIECE = 1 << 16
_LARGEST = 4 << 30
_LONGEST_TOKEN = 1 << 20
_LONGEST_TEXT = 4096
_MOST_CHILDREN = 64
_ITEM_DEPTH = 2
_XML_BASE = "http://www.w3.org/XML/1998/namespace base"
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass
class Child:
    """A child element: its attributes and its text."""

    attributes: dict[str, str]
    text: str = ""


@dataclass
class Item:
    """An element below the root, with its direct children by local name."""

    attributes: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return the text of a child, empty when there is none."""
        return self.children[name].text.strip() if name in self.children else ""

    def attribute(self, child: str, name: str) -> str:
        """Return an attribute of a child, empty when there is none."""
        return self.children[child].attributes.get(name, "") if child in self.children else ""


@dataclass(frozen=True)
class Location:
    """Where a file of the repository is and what it must be; `size` in bytes."""

    url: str
    sha256: str
    size: int | None


def primary_location(document: bytes, base: str) -> Location:
    """Return where repomd.xml, `document`, says that the list of packages is.

    Raises HeadersNotFound when it says nothing usable.
    """
    for item in items([document], "data"):
        if item.attributes.get("type") == "primary":
            return _location(item, base, item.text("size"))
    raise HeadersNotFound(f"{base}: repomd.xml lists no primary metadata")


def find_package(primary: Path, base: str, url: str, specs: Collection[str]) -> Location:
    """Return where the list, downloaded from `url` to `primary`, has one of `specs`.

    Raises HeadersNotFound when it has none of them.
    """
    for item in items(_unpacked(primary, url), "package"):
        version = f"{item.attribute('version', 'ver')}-{item.attribute('version', 'rel')}"
        if f"{item.text('name')}-{version}.{item.text('arch')}" in specs:
            return _location(item, base, item.attribute("size", "package"))
    raise HeadersNotFound(f"{base}: lists no {' or '.join(specs)}")


def items(pieces: Iterable[bytes], tag: str) -> Iterator[Item]:
    """Give the elements `tag` right below the root of a document that comes in pieces.

    Raises HeadersNotFound for a document that is not well-formed or has a DTD: repositories have
    none, attacks do.
    """
    reader = _Reader(tag)
    try:
        for piece in pieces:
            reader.feed(piece)
            yield from reader.take()
        reader.feed(b"", last=True)
    except expat.ExpatError as error:
        raise HeadersNotFound(f"the repository's metadata is no XML: {error}") from None
    yield from reader.take()


class _Reader:
    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._depth = 0
        self._fed = 0
        self._item: Item | None = None
        self._child: Child | None = None
        self._done: list[Item] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_dtd
        self._parser = parser

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        self._parser.Parse(piece, last)
        self._fed += len(piece)
        # What the parser holds back is one token, and no token is that long.
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN:
            raise HeadersNotFound("the repository's metadata has an endless element")

    def take(self) -> list[Item]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        local = name.rpartition(" ")[2]
        if self._depth == _ITEM_DEPTH and local == self._tag:
            self._item = Item(attributes)
        elif self._depth == _ITEM_DEPTH + 1 and self._item is not None:
            self._child = Child(attributes)
            if len(self._item.children) < _MOST_CHILDREN:
                self._item.children[local] = self._child

    def _end(self, _: str) -> None:
        if self._depth == _ITEM_DEPTH and self._item is not None:
            self._done.append(self._item)
            self._item = None
        if self._depth == _ITEM_DEPTH + 1:
            self._child = None
        self._depth -= 1

    def _characters(self, text: str) -> None:
        if self._child is not None and self._depth == _ITEM_DEPTH + 1:
            self._child.text = (self._child.text + text)[:_LONGEST_TEXT]


def _refuse_dtd(*_: object) -> None:
    raise HeadersNotFound("the repository's metadata has a document type, which is refused")


def _location(item: Item, base: str, size: str) -> Location:
    href = item.attribute("location", "href")
    kind, sha256 = item.attribute("checksum", "type"), item.text("checksum")
    if kind != "sha256" or not _SHA256.fullmatch(sha256):
        raise HeadersNotFound(f"{base}: states no sha256 for {href[:200]!a}")
    url = resolve(base, href, item.attribute("location", _XML_BASE))
    return Location(url, sha256, int(size) if size.isdecimal() else None)


def resolve(base: str, href: str, xml_base: str = "") -> str:
    """Return the address of `href` in the repository at `base`, ``..`` resolved.

    A repository may point above itself, as Amazon's do to a shared store, but never to another
    host: raises HeadersNotFound.
    """
    try:
        url = urljoin(urljoin(f"{base.rstrip('/')}/", xml_base), href)
        stays = urlsplit(url)[:2] == urlsplit(base)[:2]
    except ValueError:
        stays = False
    if not href or not stays:
        raise HeadersNotFound(f"{base}: has the location {href[:200]!a}, which leaves it")
    return url


def _unpacked(path: Path, url: str) -> Iterator[bytes]:
    suffix = f".{urlsplit(url).path.rpartition('.')[2]}"
    if suffix not in {*_OPENERS, ".xml"}:
        raise HeadersNotFound(f"{url}: packed in a way that cannot be read here")
    total = 0
    try:
        with cast("IO[bytes]", _OPENERS.get(suffix, open)(path, "rb")) as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                total += len(piece)
                if total > _LARGEST:
                    raise HeadersNotFound(f"{url}: unpacks to more than {_LARGEST} bytes")
                yield piece
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise HeadersNotFound(f"{url}: cannot be unpacked: {error}") from None
