"""What a kernel module says of itself: its machine, and the strings of section ``.modinfo``.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .failures import NotVerified, printable

_MACHINES = {62: "x86_64", 183: "aarch64"}
_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")


@dataclass(frozen=True)
class Module:
    """A module's architecture and its first value of each name in ``.modinfo``."""

    architecture: str
    modinfo: dict[str, str]


def read_module(content: bytes) -> Module:
    """Return what a module says of itself; NotVerified when it is no ELF file with .modinfo."""
    try:
        machine, sections = _sections(content)
    except (struct.error, IndexError) as error:
        raise NotVerified("it is no kernel module: the ELF file is damaged") from error
    if ".modinfo" not in sections:
        raise NotVerified("it is no kernel module: it has no .modinfo")
    architecture = _MACHINES.get(machine, f"ELF machine {machine}")
    return Module(architecture, _strings(content[sections[".modinfo"]]))


def check_module(content: bytes, release: str, architecture: str) -> str:
    """Return the vermagic of a module that fits the kernel; NotVerified when it does not."""
    module = read_module(content)
    vermagic = printable(module.modinfo.get("vermagic", ""))
    if vermagic.split(" ")[0] != release:
        raise NotVerified(f"it is for kernel {vermagic!a}, not {release}")
    if module.architecture != architecture:
        raise NotVerified(f"it is for {module.architecture}, not {architecture}")
    return vermagic


def _sections(content: bytes) -> tuple[int, dict[str, slice]]:
    """Return the machine and the place of each section, by name."""
    if not content.startswith(_64_BIT_LITTLE_ENDIAN):
        raise NotVerified("it is no kernel module: not a 64-bit little-endian ELF file")
    header = _HEADER.unpack_from(content)
    machine, offset = header[1], header[5]
    size, count, names = header[10:]
    sections = [_SECTION.unpack_from(content, offset + size * index) for index in range(count)]
    start = sections[names][4]
    return machine, {
        _string(content, start + section[0]): slice(section[4], section[4] + section[5])
        for section in sections
    }


def _string(content: bytes, start: int) -> str:
    return content[start : content.find(b"\0", start)].decode("ascii", "replace")


def _strings(section: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in section.split(b"\0"):
        name, equals, value = piece.decode("utf-8", "replace").partition("=")
        if equals:
            found.setdefault(name, value)
    return found
