"""The compiler a kernel insists on, found on this machine or named in the error."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from kmodbot.kernels import parse_architecture
from kmodbot.pipeline.commands import capture, find_program
from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.kernels import Kernel

# What `gcc --version` says in its first line: the program, who packed it, the version.
_VERSION_TEXT = re.compile(r"(?:[a-z0-9_]+-)*gcc(?:-[0-9]+)? \([^)]*\) ([0-9]+)\.")
_CLANG = re.compile(r"(?:[A-Za-z]+ )?clang version ([0-9]+)")
# What the cross compilers of an architecture are called, and what Debian calls their packages.
_PREFIXES = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}
_PACKAGE_SUFFIXES = {"x86_64": "-x86-64-linux-gnu", "aarch64": "-aarch64-linux-gnu"}


@dataclass(frozen=True)
class Packaging:
    """How a distribution ships gcc.

    `programs` are the names to look for; `own` is the version that is plainly called gcc, by
    distro version; `install` gets that one and `install_other` any other. Names and commands may
    hold `{prefix}`, `{major}` and `{suffix}`.
    """

    programs: tuple[str, ...]
    install: str
    install_other: str
    own: Mapping[str, str]


_APT = Packaging(
    ("{prefix}gcc-{major}", "{prefix}gcc"),
    "apt-get install gcc-{major}{suffix}",
    "apt-get install gcc-{major}{suffix}",
    {},
)
COMPILERS: Mapping[str, Packaging] = MappingProxyType(
    {
        "debian": _APT,
        "ubuntu": _APT,
        # https://docs.fedoraproject.org/en-US/fedora/latest/release-notes/
        "fedora": Packaging(
            ("{prefix}gcc-{major}", "{prefix}gcc"),
            "dnf install gcc",
            "dnf install gcc",
            {},
        ),
        # https://docs.redhat.com/en/documentation/red_hat_enterprise_linux/9/html/developing_c_and_cpp_applications_in_rhel_9/
        "centos": Packaging(
            ("{prefix}gcc", "/opt/rh/gcc-toolset-{major}/root/usr/bin/gcc"),
            "dnf install gcc",
            "dnf install gcc-toolset-{major}-gcc gcc-toolset-{major}-binutils",
            {"stream9": "11", "stream10": "14"},
        ),
        # https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html
        "amazonlinux": Packaging(
            ("{prefix}gcc", "gcc{major}-gcc"),
            "dnf install gcc",
            "dnf install gcc{major}",
            {"2023": "11"},
        ),
    }
)


@dataclass(frozen=True)
class Compiler:
    """A compiler of the right major version; `cross_prefix` is empty for a native one."""

    program: str
    cross_prefix: str
    version: str


def wanted_major(version_text: str) -> str:
    """Return the major version of gcc that `CONFIG_CC_VERSION_TEXT` names; raises BuildError."""
    match = _VERSION_TEXT.match(version_text)
    if match is not None:
        return match[1]
    clang = _CLANG.match(version_text)
    if clang is not None:
        raise BuildError(
            f"the kernel was built with clang {clang[1]} ({version_text!r}); modules that gcc "
            "makes do not fit it, and this builder works with gcc only"
        )
    raise BuildError(
        f"the kernel was built with {version_text or 'an unnamed compiler'!r}; "
        "only kernels built with gcc are supported"
    )


def choose_compiler(version_text: str, kernel: Kernel) -> Compiler:
    """Return the compiler for `kernel`, whose `CONFIG_CC_VERSION_TEXT` is `version_text`.

    The major version has to be the kernel's: an older gcc lacks options the kernel's build
    passes, and a newer one may lay out code in ways the kernel was not tested with.
    Raises BuildError naming the compiler and how the distribution installs it.
    """
    major = wanted_major(version_text)
    prefix, suffix = cross_names(kernel)
    packaging = COMPILERS[kernel.distribution]
    names = [name.format(prefix=prefix, major=major) for name in packaging.programs]
    for name in names:
        program = find_program(name)
        version = _version(program) if program else ""
        if version.split(".")[0] == major:
            return Compiler(name, prefix, version)
    own = packaging.own.get(kernel.distro_version) == major
    install = packaging.install if own else packaging.install_other
    raise BuildError(
        f"the kernel was built with {version_text!r}, so the build needs {prefix}gcc {major}, "
        f"which is missing here (looked for {' and '.join(names)}); on {kernel.distribution} "
        f"{kernel.distro_version}: {install.format(major=major, suffix=suffix)}"
    )


def cross_names(kernel: Kernel) -> tuple[str, str]:
    """Return how the names of cross tools for `kernel` begin, and those of their packages end.

    Both are empty on a machine of the kernel's architecture.
    """
    if machine() == kernel.architecture:
        return "", ""
    return _PREFIXES[kernel.architecture], _PACKAGE_SUFFIXES[kernel.architecture]


def machine() -> str:
    """Return the architecture of this machine."""
    return parse_architecture(platform.machine())


def _version(program: str) -> str:
    return capture([program, "-dumpfullversion", "-dumpversion"]).strip()
