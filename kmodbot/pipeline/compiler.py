"""The compiler a kernel insists on, found on this machine or named in the error."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass

from kmodbot.kernels import parse_architecture
from kmodbot.pipeline.commands import capture, find_program
from kmodbot.pipeline.errors import BuildError

_VERSION_TEXT = re.compile(r"(?:[a-z0-9_]+-)*gcc(?:-[0-9]+)? \([^)]*\) ([0-9]+)\.")
# What the cross compilers of an architecture are called, and what Debian calls their packages.
_PREFIXES = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}
_PACKAGE_SUFFIXES = {"x86_64": "-x86-64-linux-gnu", "aarch64": "-aarch64-linux-gnu"}


@dataclass(frozen=True)
class Compiler:
    """A compiler of the right major version; `cross_prefix` is empty for a native one."""

    program: str
    cross_prefix: str
    version: str


def wanted_major(version_text: str) -> str:
    """Return the major version of gcc that `CONFIG_CC_VERSION_TEXT` names."""
    match = _VERSION_TEXT.match(version_text)
    if match is None:
        raise BuildError(
            f"the kernel was built with {version_text or 'an unnamed compiler'!r}; "
            "only kernels built with gcc are supported"
        )
    return match[1]


def choose_compiler(version_text: str, architecture: str) -> Compiler:
    """Return the compiler for a kernel whose `CONFIG_CC_VERSION_TEXT` is `version_text`.

    The major version has to be the kernel's: an older gcc lacks options the kernel's build
    passes, and a newer one may lay out code in ways the kernel was not tested with.
    Raises BuildError naming the compiler and the package that has it.
    """
    major = wanted_major(version_text)
    native = parse_architecture(platform.machine()) == architecture
    prefix = "" if native else _PREFIXES[architecture]
    for name in (f"{prefix}gcc-{major}", f"{prefix}gcc"):
        program = find_program(name)
        if program is None:
            continue
        version = capture([program, "-dumpfullversion", "-dumpversion"]).strip()
        if version.split(".")[0] == major:
            return Compiler(name, prefix, version)
    package = f"gcc-{major}" + ("" if native else _PACKAGE_SUFFIXES[architecture])
    raise BuildError(
        f"the kernel was built with {version_text!r}, so the build needs {prefix}gcc-{major}, "
        f"which is missing; apt-get install {package}"
    )
