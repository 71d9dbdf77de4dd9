"""apt with a state of its own: nothing of the machine's packages or lists is touched.

The machine's apt configuration (proxies, certificates, credentials) still applies; sources,
preferences and state do not. Runs without root.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, capture, require_program
from kmodbot.pipeline.errors import HeadersNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FRESH_SECONDS = 600
_DEPENDENCY = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\w+)?(?: \(([<>=]+) ([^)]+)\))?")


@dataclass(frozen=True)
class Archive:
    """A Debian archive: its address, the suites wanted and the keyring that signs them."""

    uri: str
    suites: tuple[str, ...]
    keyring: Path

    def __str__(self) -> str:
        """Return the stanza of sources.list(5)."""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {' '.join(self.suites)}\n"
            f"Components: main\nTargets: Packages\nSigned-By: {self.keyring}\n"
        )


@dataclass(frozen=True)
class AptPackage:
    """A package as the signed lists describe it; `size` in bytes."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    depends: tuple[tuple[str, str | None], ...]

    @property
    def wanted(self) -> str:
        """The words apt-get needs to get this and no other version."""
        return f"{self.name}:{self.architecture}={self.version}".replace(":all=", "=")


class IsolatedApt:
    """Package lists of `archives` for `architectures`, kept below `directory`.

    The first architecture is the one that names without an architecture mean.
    """

    def __init__(
        self, directory: Path, archives: Sequence[Archive], architectures: Sequence[str]
    ) -> None:
        sources = "\n".join(str(archive) for archive in archives)
        key = hashlib.sha256(f"{sources}{architectures}".encode()).hexdigest()[:16]
        self._home = directory / key
        self._sources = sources
        self._architectures = tuple(architectures)
        self._get = require_program("apt-get", "this step needs Debian's apt")
        self._cache = require_program("apt-cache", "this step needs Debian's apt")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builders from changing the lists during the block, and make them fresh."""
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        with (self._home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield

    def show(self, names: Sequence[str]) -> list[AptPackage]:
        """Return the candidate of each of `names` (`name`, `name:arch`, `name=version`).

        Raises HeadersNotFound when one is not listed.
        """
        try:
            text = self._run(self._cache, "show", "--no-all-versions", *names)
        except CommandFailed:
            text = ""
        found = parse_packages(text)
        if len(found) < len(names):
            known = {package.name for package in found}
            missing = [name for name in names if re.split("[:=]", name)[0] not in known]
            raise HeadersNotFound(f"{' and '.join(missing or names)} not listed")
        return found

    def names(self, prefix: str) -> list[str]:
        """Return the names of all listed packages that begin with `prefix`."""
        return self._run(self._cache, "pkgnames", prefix).split()

    def download(self, packages: Sequence[AptPackage], store: Path) -> list[Path]:
        """Return a file for each of `packages`, named by its sha256 below `store`.

        Files that are there already are checked and used again.
        """
        store.mkdir(parents=True, exist_ok=True)
        paths = {package.sha256: store / f"{package.sha256}.deb" for package in packages}
        absent = [package for package in packages if not _intact(paths[package.sha256])]
        if absent:
            with tempfile.TemporaryDirectory(dir=store) as directory:
                self._download_to(Path(directory), absent)
                for path in Path(directory).glob("*.deb"):
                    path.replace(store / f"{_sha256(path)}.deb")
        lost = [package.name for package in absent if not paths[package.sha256].exists()]
        if lost:
            raise HeadersNotFound(f"{' and '.join(lost)} differs from what the lists promise")
        return [paths[package.sha256] for package in packages]

    def _download_to(self, directory: Path, packages: Sequence[AptPackage]) -> None:
        try:
            wanted = (package.wanted for package in packages)
            self._run(self._get, "download", "-q", *wanted, cwd=directory)
        except CommandFailed as error:
            # The lists may be older than the archive: have the next try read them anew.
            self._stamp.unlink()
            raise HeadersNotFound(f"download failed: {_reasons(error)}") from None

    def _refresh(self) -> None:
        if self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < _FRESH_SECONDS:
            return
        (self._home / "apt.sources").write_text(self._sources, encoding="utf-8")
        try:
            self._run(self._get, "update", "-q", "--error-on=any")
        except CommandFailed as error:
            raise HeadersNotFound(f"lists cannot be read: {_reasons(error)}") from None
        self._stamp.touch()

    @property
    def _stamp(self) -> Path:
        return self._home / "refreshed"

    def _run(self, program: str, verb: str, *words: str, cwd: Path | None = None) -> str:
        options = [word for option in self._options() for word in ("-o", option)]
        return capture([program, verb, *options, *words], cwd=cwd)

    def _options(self) -> list[str]:
        home = self._home.resolve()
        return [
            f"Dir::Etc::SourceList={home}/apt.sources",
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::Etc::Preferences=/dev/null",
            "Dir::Etc::PreferencesParts=/dev/null",
            f"Dir::State={home}/state",
            "Dir::State::Status=/dev/null",
            f"Dir::Cache={home}/cache",
            # Images made small switch these off; here they save half a second a call.
            "Dir::Cache::PkgCache=pkgcache.bin",
            "Dir::Cache::SrcPkgCache=srcpkgcache.bin",
            "APT::Default-Release=",
            f"APT::Architecture={self._architectures[0]}",
            *(f"APT::Architectures::={name}" for name in self._architectures),
            # The user apt switches to as root cannot enter a private cache directory.
            "APT::Sandbox::User=root",
            "Acquire::Retries=3",
            "Acquire::Languages=none",
        ]


def parse_packages(text: str) -> list[AptPackage]:
    """Read the stanzas that `apt-cache show` prints."""
    stanzas = (_fields(stanza) for stanza in text.split("\n\n"))
    return [
        AptPackage(
            name=fields["Package"],
            version=fields["Version"],
            architecture=fields["Architecture"],
            size=int(fields["Size"]),
            sha256=fields["SHA256"],
            depends=parse_depends(fields.get("Depends", "")),
        )
        for fields in stanzas
        if "SHA256" in fields
    ]


def parse_depends(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return (name, exact version or None) for the first alternative of each dependency.

    https://www.debian.org/doc/debian-policy/ch-relationships.html
    """
    first = (part.split("|")[0].strip() for part in text.split(","))
    matches = (_DEPENDENCY.fullmatch(part) for part in first)
    return tuple((match[1], match[3] if match[2] == "=" else None) for match in matches if match)


def _fields(stanza: str) -> dict[str, str]:
    lines = (line for line in stanza.splitlines() if not line.startswith(" "))
    return {key: value.strip() for key, mark, value in (x.partition(":") for x in lines) if mark}


def _reasons(error: CommandFailed) -> str:
    lines = [line[2:].strip() for line in error.output.splitlines() if line[:2] in ("E:", "W:")]
    return "; ".join(dict.fromkeys(lines)) or error.output.strip()[-300:]


def _intact(path: Path) -> bool:
    return path.exists() and _sha256(path) == path.stem


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
