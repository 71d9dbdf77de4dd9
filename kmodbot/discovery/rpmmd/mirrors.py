"""Lists of mirrors: one URL a line, or a metalink, which also states what repomd.xml must be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .digests import Check, Digest
from .errors import MetadataError
from .repomd import PATH
from .xml import ALTERNATES, METALINK, looks_like_html, parse_document

if TYPE_CHECKING:
    from lxml.etree import _Element

_URL = re.compile(r"(?:https?|file)://\S+")
_PROTOCOLS = ("http", "https", "file")
_STRONG = ("sha512", "sha256")
_WHAT = "base URLs, one a line, or a metalink"


@dataclass(frozen=True)
class Statement:
    """What one valid repomd.xml looks like: its size in bytes and its digests."""

    size: int | None
    digests: tuple[Digest, ...]

    def check(self, document: bytes, file: str) -> None:
        """Raise ``MetadataError`` unless the document is the one stated."""
        for digest in self.digests:
            check = Check(file, digest, self.size)
            check.update(document)
            check.finish()


@dataclass(frozen=True)
class Mirrors:
    """Base URLs, best first, and every repomd.xml that counts as valid (none stated: any)."""

    bases: tuple[str, ...]
    statements: tuple[Statement, ...] = field(default=())

    def check(self, document: bytes, file: str) -> None:
        """Raise ``MetadataError`` when a metalink states other contents for repomd.xml."""
        failure: MetadataError | None = None
        for statement in self.statements:
            try:
                statement.check(document, file)
            except MetadataError as error:
                failure = failure or error
            else:
                return
        if failure is not None:
            raise failure


def parse_mirrors(document: bytes, file: str) -> Mirrors:
    """Return the mirrors that a mirror list or a metalink names.

    Raises ``MetadataError`` when it is neither or names no mirror.
    """
    if looks_like_html(document):
        raise MetadataError(file, f"is a web page (HTML), expected {_WHAT}")
    if document.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _metalink(document, file)
    return Mirrors(_listed(document, file))


def _listed(document: bytes, file: str) -> tuple[str, ...]:
    bases = []
    lines = document.decode("utf-8", "replace").splitlines()
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not _URL.fullmatch(line):
            raise MetadataError(file, f"line {number} is {line[:80]!a}, expected {_WHAT}")
        bases.append(line)
    if not bases:
        raise MetadataError(file, f"names no mirror, expected {_WHAT}")
    return _allowed(bases, file, proven=False)


def _allowed(bases: list[str], file: str, *, proven: bool) -> tuple[str, ...]:
    # A list from the network must not make us read local files, and one that came over TLS must
    # not lead to a mirror without it unless a digest proves what that mirror sends.
    scheme = urlsplit(file).scheme
    schemes = {"file": ("file", "http", "https"), "http": ("http", "https")}
    allowed = schemes.get(scheme, ("http", "https") if proven else ("https",))
    kept = tuple(dict.fromkeys(base for base in bases if urlsplit(base).scheme in allowed))
    if not kept:
        raise MetadataError(file, f"names only mirrors that a list on {scheme}:// may not name")
    return kept


def _metalink(document: bytes, file: str) -> Mirrors:
    root = parse_document(document, file, f"{METALINK}metalink", _WHAT)
    entry = root.find(f".//{METALINK}file[@name='repomd.xml']")
    if entry is None:
        raise MetadataError(file, "is a metalink without a file named repomd.xml")
    ranked = []
    for url in entry.iterfind(f"{METALINK}resources/{METALINK}url"):
        text = (url.text or "").strip()
        scheme = text.partition(":")[0]
        if scheme in _PROTOCOLS and _URL.fullmatch(text) and text.endswith(f"/{PATH}"):
            ranked.append((-_number(url.get("preference", "")), text.removesuffix(PATH)))
    if not ranked:
        raise MetadataError(file, f"is a metalink without a URL that ends in {PATH}")
    alternates = entry.iterfind(f"{ALTERNATES}alternates/{ALTERNATES}alternate")
    stated = [_statement(element, file) for element in (entry, *alternates)]
    statements = tuple(statement for statement in stated if statement.digests)
    # A stable sort: mirrors of one preference keep the order they were listed in.
    bases = [base for _, base in sorted(ranked, key=lambda pair: pair[0])]
    return Mirrors(_allowed(bases, file, proven=bool(statements)), statements)


def _statement(element: _Element, file: str) -> Statement:
    size = element.findtext(f"{METALINK}size", "").strip()
    found = element.iterfind(f"{METALINK}verification/{METALINK}hash")
    hashes = {entry.get("type", ""): entry.text or "" for entry in found}
    digests = tuple(Digest.parse(kind, hashes[kind], file) for kind in _STRONG if kind in hashes)
    return Statement(_number(size) if size else None, digests)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0
