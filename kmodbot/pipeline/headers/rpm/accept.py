"""From a file that claims to be the headers package to a tree that may be built with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, capture, pipe, require_program
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.rpm.names import DevelPackage, devel_package
from kmodbot.pipeline.headers.rpm.signatures import Keyring, Keys
from kmodbot.pipeline.headers.tree import HeaderTree

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.phases import Log

_INSTALL = "dnf install {0} (or apt-get install {0})"


@dataclass(frozen=True)
class Acceptance:
    """What a package has to be: of this kernel, signed with these keys, or `unsigned`.

    `any_name`: the package was found by the path it owns, whatever it is called.
    """

    kernel: Kernel
    keyring: Keyring
    work: Path
    log: Log
    unsigned: bool = False
    any_name: bool = False

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        keys: Keys,
        work: Path,
        log: Log,
        *,
        unsigned: bool = False,
        any_name: bool = False,
    ) -> Acceptance:
        """Return what a package of `kernel` has to be; raises Unequipped without keys or rpm."""
        keyring = Keyring(work, keys.files(kernel))
        return cls(kernel, keyring, work, log, unsigned=unsigned, any_name=any_name)

    @property
    def wanted(self) -> DevelPackage:
        """The package that is asked for."""
        return devel_package(self.kernel)

    def accept(self, package: Path, origin: str) -> HeaderTree:
        """Check the package that came from `origin` and unpack it.

        Raises HeadersNotFound for one that is not what was asked for.
        """
        signed = self.keyring.check(package, unsigned=self.unsigned)
        name = self._identify(package)
        if not signed:
            self.log.note(f"headers: {origin} is not signed; nobody vouches for who made it")
        tree = self._unpack(package)
        self.log.line(f"headers: {name} ({package.stat().st_size / 1e6:.1f} MB)")
        return tree

    def _identify(self, package: Path) -> str:
        program = require_program("rpm", _INSTALL.format("rpm"))
        tags = "%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}"
        query = [program, "--query", "--nosignature", "--queryformat", tags, "--package"]
        try:
            name, _, suffix = capture([*query, str(package)]).partition(" ")
        except CommandFailed as error:
            raise HeadersNotFound(f"no rpm package: {error.output.strip()[-200:]}") from None
        wanted = self.wanted
        if suffix != wanted.suffix or not (self.any_name or name in wanted.names):
            found = f"{name}-{suffix}"
            raise HeadersNotFound(f"is {found[:200]}, expected {' or '.join(wanted.specs)}")
        return f"{name}-{suffix}"

    def _unpack(self, package: Path) -> HeaderTree:
        root = self.work / "root"
        # An earlier package of this step may have been unpacked and found wanting.
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        reader = require_program("rpm2cpio", _INSTALL.format("rpm"))
        writer = require_program("cpio", _INSTALL.format("cpio"))
        options = ["--extract", "--make-directories", "--preserve-modification-time", "--quiet"]
        safe = ["--no-absolute-filenames", "--no-preserve-owner"]
        try:
            pipe([reader, str(package)], [writer, *options, *safe], cwd=root)
        except CommandFailed as error:
            raise HeadersNotFound(f"cannot be unpacked: {error.output.strip()[-200:]}") from None
        path = root / self.wanted.directory[1:]
        if path.is_symlink() or not path.is_dir():
            raise HeadersNotFound(f"holds no {self.wanted.directory}")
        return HeaderTree(path, root)
