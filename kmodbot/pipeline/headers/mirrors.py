"""Addresses and keyrings that a person may replace with others by environment variables."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kmodbot.pipeline.errors import BadInput, Unequipped

# Passwords belong into apt's auth.conf, not into an address that is written to the log.
_ADDRESS = re.compile(r"(https?|file)://[!-?A-~]+")
_PATH = re.compile(r"/[!-~]+")


@dataclass(frozen=True)
class Mirror:
    """A server: its address, unless the environment variable `variable` names another."""

    variable: str
    default: str

    def address(self) -> str:
        """Return the address without a slash at its end; raises BadInput naming the variable."""
        address = os.environ.get(self.variable) or self.default
        if not _ADDRESS.fullmatch(address):
            expected = f"expected an address such as {self.default}, without a password"
            raise BadInput(f"{self.variable}: {expected}")
        return address.rstrip("/")


@dataclass(frozen=True)
class Keyring:
    """The public keys that sign a distribution's archives, and the package that brings them."""

    variable: str
    default: str
    package: str

    def path(self) -> Path:
        """Return the file; raises BadInput naming the variable, Unequipped when it is missing."""
        value = os.environ.get(self.variable) or self.default
        if not _PATH.fullmatch(value):
            raise BadInput(f"{self.variable}: expected a path such as {self.default}")
        if not Path(value).is_file():
            raise Unequipped(
                f"{value} is missing, without which no signature can be checked; "
                f"apt-get install {self.package}, or name the file by {self.variable}"
            )
        return Path(value)
