"""Signatures of packages, checked by rpm with the keys of the distribution and no others."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, capture, require_program
from kmodbot.pipeline.errors import BadInput, BuildError, NoAnswer, Unequipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.kernels import Kernel

VARIABLE = "KMODBOT_RPM_KEYS"
DIRECTORY = Path("/etc/pki/rpm-gpg")
# "Header V4 RSA/SHA256 Signature, key ID 8483c65d: OK"; rpm 6 writes the fingerprint.
_SIGNATURE = re.compile(r"signature.*: ([A-Z]+)\b", re.IGNORECASE)
# rpm names each place in a package where a signature may be but is not.
_MISSING = "NOTFOUND"


@dataclass(frozen=True)
class Keys:
    """The keys a distribution signs with: names of files in /etc/pki/rpm-gpg, and their package.

    That directory may hold keys of other repositories too, which must not sign kernels here.
    """

    patterns: tuple[str, ...]
    package: str

    def files(self, kernel: Kernel) -> list[Path]:
        """Return the files of the keys; raises Unequipped when there are none."""
        named = os.environ.get(VARIABLE)
        if named:
            return _all_files(Path(named))
        number = kernel.distro_version.replace("stream", "")
        patterns = [pattern.format(number=number) for pattern in self.patterns]
        found = {path.resolve() for pattern in patterns for path in DIRECTORY.glob(pattern)}
        if not found:
            raise Unequipped(
                f"{DIRECTORY} holds no {' or '.join(patterns)}, without which no signature can be "
                f"checked; dnf install {self.package}, or name a directory of keys by {VARIABLE}"
            )
        return sorted(found)


class Keyring:
    """An rpm database of its own below `directory`, with the keys and nothing else."""

    def __init__(self, directory: Path, keys: Sequence[Path]) -> None:
        self._program = require_program("rpmkeys", "dnf install rpm (or apt-get install rpm)")
        self._database = directory / "rpmdb"
        self._database.mkdir(parents=True, exist_ok=True)
        for key in keys:
            self._import(key)

    def check(self, package: Path, *, unsigned: bool = False) -> bool:
        """Return whether the package is signed; its digests are checked in any case.

        Raises HeadersNotFound for a signature that is wrong, of an unknown key, or, unless
        `unsigned` packages are accepted, missing.
        """
        level = "digest" if unsigned else "signature"
        options = ["--define", f"_pkgverify_level {level}", "--verbose", "--checksig"]
        try:
            said = capture([*self._command(), *options, str(package)])
        except CommandFailed as error:
            raise NoAnswer(_reason(error.output)) from None
        verdicts = {verdict.upper() for verdict in _SIGNATURE.findall(said)} - {_MISSING}
        if verdicts - {"OK"} or not (verdicts or unsigned):
            raise NoAnswer(_reason(said))
        return bool(verdicts)

    def _import(self, key: Path) -> None:
        try:
            capture([*self._command(), "--import", str(key)])
        except CommandFailed as error:
            raise BuildError(f"{key} is no key for rpm: {error.output.strip()[-200:]}") from None

    def _command(self) -> list[str]:
        paths = (f"_dbpath {self._database}", f"_keyringpath {self._database}/pubkeys/")
        return [self._program, *(word for path in paths for word in ("--define", path))]


def _all_files(directory: Path) -> list[Path]:
    files = sorted(path for path in directory.glob("[!.]*") if path.is_file())
    if not files:
        raise BadInput(f"{VARIABLE}: expected a directory of public keys, got {directory}")
    return files


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()[1:]]
    wrong = [line for line in lines if not line.endswith((": OK", f": {_MISSING}"))]
    return f"signature not accepted: {', '.join(wrong[:3]) or 'the package is not signed'}"
