"""XML from strangers: no entities, no DTD, no network, no huge trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from lxml import etree

from .errors import MetadataError

if TYPE_CHECKING:
    from lxml.etree import _Element

COMMON = "{http://linux.duke.edu/metadata/common}"
REPO = "{http://linux.duke.edu/metadata/repo}"
METALINK = "{http://www.metalinker.org/}"
ALTERNATES = "{http://fedorahosted.org/mirrormanager}"
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"

_HTML = (b"<!doctype html", b"<html")


class _Options(TypedDict):
    resolve_entities: bool
    no_network: bool
    load_dtd: bool
    huge_tree: bool
    remove_comments: bool
    remove_pis: bool


#: For every parser of this library.
SAFE: _Options = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def parse_document(document: bytes, file: str, root: str, what: str) -> _Element:
    """Return the root element of a small document.

    Raises ``MetadataError`` when it is a web page, malformed, has a DTD or another root element;
    ``what`` names in the message what was expected.
    """
    if looks_like_html(document):
        raise MetadataError(file, f"is a web page (HTML), expected {what}")
    try:
        element = etree.fromstring(document, etree.XMLParser(**SAFE))
    except etree.XMLSyntaxError as error:
        reason = f"is not well-formed XML, expected {what}: {error.msg}"
        raise MetadataError(file, f"{reason}; check the address, or try again later") from None
    refuse_dtd(element, file)
    if element.tag != root:
        raise MetadataError(file, f"has the root element {element.tag}, expected {what}")
    return element


def refuse_dtd(element: _Element, file: str) -> None:
    """Raise ``MetadataError`` for a document with a DTD: repositories have none, attacks do."""
    if element.getroottree().docinfo.internalDTD is not None:
        raise MetadataError(file, "has a document type declaration, which is refused")


def looks_like_html(document: bytes) -> bool:
    """Tell whether a document is a web page, as portals and error pages send."""
    return document[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML)
