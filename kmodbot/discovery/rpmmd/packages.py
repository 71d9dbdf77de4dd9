"""One package of primary.xml, and which packages are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import MetadataError
from .xml import COMMON, XML_BASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element

_NAME = f"{COMMON}name"


@dataclass(frozen=True)
class Package:
    """A package as primary.xml lists it; ``href`` and ``xml_base`` are as written there."""

    name: str
    arch: str
    epoch: str
    version: str
    release: str
    href: str
    xml_base: str = ""

    @property
    def nevra(self) -> str:
        """The full name, with the epoch where it is not 0."""
        epoch = "" if self.epoch == "0" else f"{self.epoch}:"
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"


def _any(_name: str) -> bool:
    return True


@dataclass(frozen=True)
class Wanted:
    """The packages to return: their name starts with one of ``prefixes`` and is accepted."""

    prefixes: tuple[str, ...] = ("",)
    accept: Callable[[str], bool] = _any

    def wants(self, name: str) -> bool:
        """Tell whether a package of this name is wanted."""
        return name.startswith(self.prefixes) and self.accept(name)


def element_name(element: _Element) -> str:
    """Return the name in a ``package`` element, "" when it has none."""
    found = next(element.iterchildren(_NAME), None)
    return (found.text or "") if found is not None else ""


def package(element: _Element, file: str) -> Package:
    """Return what a ``package`` element says; ``MetadataError`` when something is missing."""
    name = element_name(element)
    version = element.find(f"{COMMON}version")
    location = element.find(f"{COMMON}location")
    if version is None or location is None:
        missing = "version" if version is None else "location"
        raise MetadataError(file, f"has no {missing} for the package {name[:80]!a}")
    return Package(
        name=name,
        arch=element.findtext(f"{COMMON}arch", ""),
        epoch=version.get("epoch") or "0",
        version=version.get("ver", ""),
        release=version.get("rel", ""),
        href=location.get("href", ""),
        xml_base=location.get(XML_BASE, ""),
    )
