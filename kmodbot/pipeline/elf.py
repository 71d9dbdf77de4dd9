"""A reader for the few parts of an ELF file that tell what a kernel module was built for.

The layout is that of elf(5); only 64-bit little-endian files exist for the architectures
built here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kmodbot.pipeline.errors import BuildError

# e_machine of elf(5), by architecture.
MACHINES = {62: "x86_64", 183: "aarch64"}

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOBITS = 8


@dataclass(frozen=True)
class Module:
    """What a kernel module says about itself."""

    architecture: str
    info: dict[str, str]
    sections: tuple[str, ...]

    @property
    def vermagic(self) -> str:
        """The kernel release and the build options the module insists on."""
        return self.info.get("vermagic", "")


def read_module(content: bytes) -> Module:
    """Read a .ko file; raises BuildError when `content` is not one."""
    try:
        sections = _sections(content)
        machine = _HEADER.unpack_from(content)[2]
    except (struct.error, ValueError, IndexError):
        raise BuildError("not a 64-bit ELF file, or a damaged one") from None
    if ".modinfo" not in sections:
        raise BuildError("the file has no .modinfo section, so it is not a kernel module")
    architecture = MACHINES.get(machine, f"machine {machine}")
    return Module(architecture, _modinfo(sections[".modinfo"]), tuple(sections))


def _sections(content: bytes) -> dict[str, bytes]:
    header = _HEADER.unpack_from(content)
    if not header[0].startswith(b"\x7fELF\x02\x01"):
        raise ValueError("magic")
    offset, size, count, names_at = header[6], header[11], header[12], header[13]
    rows = [_SECTION.unpack_from(content, offset + number * size) for number in range(count)]
    names = _bytes(content, rows[names_at])
    return {_name(names, row[0]): _bytes(content, row) for row in rows}


def _bytes(content: bytes, row: tuple[int, ...]) -> bytes:
    kind, offset, size = row[1], row[4], row[5]
    if kind == _NOBITS:
        return b""
    if offset + size > len(content):
        raise ValueError("section beyond the end of the file")
    return content[offset : offset + size]


def _name(names: bytes, start: int) -> str:
    return names[start : names.index(b"\0", start)].decode("ascii", "replace")


def _modinfo(section: bytes) -> dict[str, str]:
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in section.split(b"\0"))
    # Some keys repeat (one parm= for each parameter); those that are read here do not.
    return {key: value for key, mark, value in pairs if mark}
