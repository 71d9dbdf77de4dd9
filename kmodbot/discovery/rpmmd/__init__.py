"""Reads rpm-md repositories: mirror lists, repomd.xml and primary.xml, and trusts none of them."""

from __future__ import annotations

from .digests import Digest
from .errors import MetadataError
from .hrefs import resolve
from .mirrors import Mirrors, parse_mirrors
from .packages import Package, Wanted
from .primary import Primary, read_primary
from .repomd import PATH, Item, Repomd, parse_repomd
from .xml import looks_like_html

__all__ = [
    "PATH",
    "Digest",
    "Item",
    "MetadataError",
    "Mirrors",
    "Package",
    "Primary",
    "Repomd",
    "Wanted",
    "looks_like_html",
    "parse_mirrors",
    "parse_repomd",
    "read_primary",
    "resolve",
]
