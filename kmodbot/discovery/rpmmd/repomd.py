"""repomd.xml: the index of a repository's metadata.

Written by https://rpm-software-management.github.io/createrepo_c/ and its predecessors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .digests import Digest
from .errors import MetadataError
from .hrefs import resolve
from .xml import REPO, XML_BASE, parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

#: Where the index lies below the base URL of a repository.
PATH = "repodata/repomd.xml"
_WHAT = "the repomd.xml of a repository"


@dataclass(frozen=True)
class Item:
    """One metadata file as the index states it; sizes in bytes.

    ``open_checksum`` and ``open_size`` are of the file once decompressed, None when not stated.
    """

    type: str
    url: str
    checksum: Digest
    size: int | None
    open_checksum: Digest | None
    open_size: int | None


@dataclass(frozen=True)
class Repomd:
    """The index: its revision ("" when it has none) and the metadata files by type."""

    url: str
    revision: str
    items: Mapping[str, Item]

    def primary(self) -> Item:
        """Return the list of packages; ``MetadataError`` when the index has none to read."""
        if "primary" in self.items:
            return self.items["primary"]
        others = ", ".join(sorted(self.items)) or "nothing"
        raise MetadataError(self.url, f"lists no primary metadata, only {others}")


def parse_repomd(document: bytes, base: str) -> Repomd:
    """Return the index of the repository at ``base``.

    Raises ``MetadataError`` for anything that is no repomd.xml, states no checksum for a file, or
    places a file on another host.
    """
    file = resolve(base, PATH, base)
    root = parse_document(document, file, f"{REPO}repomd", _WHAT)
    items = [_item(element, base, file) for element in root.iterfind(f"{REPO}data")]
    by_type = {item.type: item for item in reversed(items)}
    return Repomd(file, root.findtext(f"{REPO}revision", "").strip(), by_type)


def _item(element: _Element, base: str, file: str) -> Item:
    kind = element.get("type", "")
    location = element.find(f"{REPO}location")
    if location is None:
        raise MetadataError(file, f"has no location for {kind!a}")
    checksum = _digest(element, "checksum", file)
    if checksum is None:
        raise MetadataError(file, f"states no checksum for {kind!a}")
    xml_base = location.get(XML_BASE, "")
    return Item(
        type=kind,
        url=resolve(base, location.get("href", ""), file, xml_base),
        checksum=checksum,
        size=_size(element, "size", file),
        open_checksum=_digest(element, "open-checksum", file),
        open_size=_size(element, "open-size", file),
    )


def _digest(element: _Element, tag: str, file: str) -> Digest | None:
    found = element.find(f"{REPO}{tag}")
    if found is None:
        return None
    return Digest.parse(found.get("type", ""), found.text or "", file)


def _size(element: _Element, tag: str, file: str) -> int | None:
    text = element.findtext(f"{REPO}{tag}")
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise MetadataError(file, f"states the {tag} {text[:40]!a}, which is no number of bytes")
    return int(text)
