"""What Debian's packages say of themselves, in package lists and in the files themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, capture, require_program
from kmodbot.pipeline.errors import HeadersNotFound

if TYPE_CHECKING:
    from pathlib import Path

_DEPENDENCY = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\w+)?(?: \(([<>=]+) ([^)]+)\))?")
# linux-headers-6.8.0-63, linux-hwe-6.8-headers-6.8.0-63, linux-kbuild-6.1
_NEEDED = re.compile(r"linux-(?:[a-z0-9.+-]+-)?(?:headers|kbuild)-.+")


@dataclass(frozen=True)
class DebPackage:
    """A package as a list or its own file describes it; `size` in bytes.

    `depends` holds a name and the exact version wanted, None where any will do.
    """

    name: str
    version: str
    architecture: str
    depends: tuple[tuple[str, str | None], ...]
    size: int = 0
    sha256: str = ""

    @property
    def wanted(self) -> str:
        """The words apt-get needs to get this and no other version."""
        return f"{self.name}:{self.architecture}={self.version}".replace(":all=", "=")

    @property
    def needed(self) -> tuple[tuple[str, str | None], ...]:
        """The dependencies without which headers are incomplete; compilers are no such thing."""
        return tuple(pair for pair in self.depends if _NEEDED.fullmatch(pair[0]))


def parse_packages(text: str) -> list[DebPackage]:
    """Read the stanzas that `apt-cache show` prints; those without a checksum are left out."""
    stanzas = (_fields(stanza) for stanza in text.split("\n\n"))
    return [_package(fields) for fields in stanzas if "SHA256" in fields]


def read_package(path: Path) -> DebPackage:
    """Return what the package file at `path` says of itself.

    Raises HeadersNotFound when it is no package.
    """
    program = require_program("dpkg-deb", "apt-get install dpkg")
    try:
        text = capture([program, "-f", str(path), "Package", "Version", "Architecture", "Depends"])
        return _package(_fields(text))
    except (CommandFailed, KeyError):
        raise HeadersNotFound("what was downloaded is no Debian package") from None


def parse_depends(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return (name, exact version or None) for the first alternative of each dependency.

    https://www.debian.org/doc/debian-policy/ch-relationships.html
    """
    first = (part.split("|")[0].strip() for part in text.split(","))
    matches = (_DEPENDENCY.fullmatch(part) for part in first)
    return tuple((match[1], match[3] if match[2] == "=" else None) for match in matches if match)


def _package(fields: dict[str, str]) -> DebPackage:
    return DebPackage(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        depends=parse_depends(fields.get("Depends", "")),
        size=int(fields.get("Size", "0")),
        sha256=fields.get("SHA256", ""),
    )


def _fields(stanza: str) -> dict[str, str]:
    lines = (line for line in stanza.splitlines() if not line.startswith(" "))
    return {key: value.strip() for key, mark, value in (x.partition(":") for x in lines) if mark}
