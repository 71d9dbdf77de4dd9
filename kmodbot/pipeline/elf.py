"""A reader for the few parts of an ELF file that tell what a kernel module was built for.

The layout is that of elf(5); only 64-bit little-endian files exist for the architectures
built here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# e_machine of elf(5), by architecture.
MACHINES = {62: "x86_64", 183: "aarch64"}

_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
# struct modversion_info of the kernel: a checksum and a name that fill 64 bytes.
_VERSION = struct.Struct("<Q56s")
_CHECKSUM = struct.Struct("<I")
_SYMTAB = 2
_NOBITS = 8
_WEAK = 2


@dataclass(frozen=True)
class Module:
    """What a kernel module says about itself.

    `parameters` are the names modprobe accepts, `undefined` the symbols that have to come from
    elsewhere, `checksums` what the module carries of them (CONFIG_MODVERSIONS).
    """

    architecture: str
    info: Mapping[str, str]
    sections: tuple[str, ...] = ()
    parameters: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    checksums: Mapping[str, int] = field(default_factory=dict)

    @property
    def vermagic(self) -> str:
        """The kernel release and the build options the module insists on."""
        return self.info.get("vermagic", "")

    @property
    def depends(self) -> tuple[str, ...]:
        """The modules that have to be loaded before."""
        return tuple(name for name in self.info.get("depends", "").split(",") if name)


def read_module(content: bytes) -> Module:
    """Read a .ko file; raises BuildError when `content` is not one."""
    try:
        file = _File(content)
        entries = _modinfo(file.section(".modinfo"))
        module = Module(
            architecture=machine_of(content) or "an unknown machine",
            # Some keys repeat (one parm= for each parameter); those that are read here do not.
            info=dict(entries),
            sections=file.names,
            parameters=frozenset(
                value.partition(":")[0] for key, value in entries if key.startswith("parm")
            ),
            undefined=frozenset(file.undefined()),
            checksums={**_versions(file), **_extended_versions(file)},
        )
    except (struct.error, ValueError, IndexError):
        raise BuildError("not a 64-bit ELF file, or a damaged one") from None
    if ".modinfo" not in module.sections:
        raise BuildError("the file has no .modinfo section, so it is not a kernel module")
    return module


def machine_of(content: bytes) -> str | None:
    """Return the architecture an ELF file is for; None for any other file."""
    if not content.startswith(_MAGIC) or len(content) < _HEADER.size:
        return None
    return MACHINES.get(_HEADER.unpack_from(content)[2])


class _File:
    """The sections of an ELF file; raises ValueError, IndexError or struct.error."""

    def __init__(self, content: bytes) -> None:
        header = _HEADER.unpack_from(content)
        if not header[0].startswith(_MAGIC):
            raise ValueError("magic")
        offset, size, count, names_at = header[6], header[11], header[12], header[13]
        self._content = content
        self._rows = [_SECTION.unpack_from(content, offset + size * at) for at in range(count)]
        self._bytes = [self._read(row) for row in self._rows]
        names = self._bytes[names_at]
        self.names = tuple(_text(names, row[0]) for row in self._rows)

    def section(self, name: str) -> bytes:
        """Return the content of a section, empty when there is none of this name."""
        return self._bytes[self.names.index(name)] if name in self.names else b""

    def undefined(self) -> Iterator[str]:
        """Yield the symbols that must be found elsewhere."""
        for row, content in zip(self._rows, self._bytes):
            if row[1] != _SYMTAB:
                continue
            strings = self._bytes[row[6]]
            for name, info, _, section, _, _ in _SYMBOL.iter_unpack(content):
                if name and not section and info >> 4 != _WEAK:
                    yield _text(strings, name)

    def _read(self, row: tuple[int, ...]) -> bytes:
        kind, offset, size = row[1], row[4], row[5]
        if kind == _NOBITS:
            return b""
        if offset + size > len(self._content):
            raise ValueError("section beyond the end of the file")
        return self._content[offset : offset + size]


def _text(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start)].decode("utf-8", "replace")


def _modinfo(section: bytes) -> list[tuple[str, str]]:
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in section.split(b"\0"))
    return [(key, value) for key, mark, value in pairs if mark]


def _versions(file: _File) -> dict[str, int]:
    rows = _VERSION.iter_unpack(file.section("__versions"))
    return {_text(name + b"\0", 0): checksum for checksum, name in rows}


def _extended_versions(file: _File) -> dict[str, int]:
    # Since Linux 6.14, for names that do not fit the other table (CONFIG_EXTENDED_MODVERSIONS).
    checksums = _CHECKSUM.iter_unpack(file.section("__version_ext_crcs"))
    names = file.section("__version_ext_names").split(b"\0")
    return {name.decode("utf-8", "replace"): each[0] for name, each in zip(names, checksums)}
