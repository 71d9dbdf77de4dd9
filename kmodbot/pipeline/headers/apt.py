"""apt with a state of its own: nothing of the machine's packages or lists is touched.

The machine's apt configuration (proxies, certificates, credentials, how old lists may be) still
applies; sources, preferences and state do not. Runs without root.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.pipeline.commands import CommandFailed, capture, require_program
from kmodbot.pipeline.errors import HeadersNotFound, NoAnswer
from kmodbot.pipeline.headers.control import DebPackage, parse_packages
from kmodbot.pipeline.headers.deadline import (
    SHORTEST_RUN_SECONDS,
    require_time,
    seconds_left,
)
from kmodbot.pipeline.headers.locks import host_lock, locked
from kmodbot.pipeline.headers.store import Store, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmodbot.pipeline.phases import Log

_FRESH_SECONDS = 600
_FAILED = re.compile(r"^Err:\d+ (.*)\n  (.*?)(?: \[IP: .*\])?$", re.MULTILINE)
_REPEATED = ("Failed to fetch", "Some index files", "GPG error: ", "The repository '")
_UNKNOWN_KEYS = re.compile(
    r"The following signatures couldn't be verified because the public key is not available: "
    r"((?:NO_PUBKEY [0-9A-F]+ ?)+)"
)
# What a suite begins with, and what a server says when there is no such suite.
_NO_SUITE = re.compile(r"\S+ \S+ (?:In)?Release: (?:403|404|410|File not found)\b.*")


class SuitesAbsent(HeadersNotFound):
    """The archive has none of the suites, and nothing else is wrong with it."""


@dataclass(frozen=True)
class Archive:
    """A Debian archive: its address, the suites wanted and the keyring that signs them.

    `frozen`: it is as it was at a time in the past, so its lists may be out of date.
    """

    uri: str
    suites: tuple[str, ...]
    keyring: Path
    components: tuple[str, ...] = ("main",)
    frozen: bool = False

    def __str__(self) -> str:
        return f"{self.uri} {' '.join(self.suites)}"

    @property
    def stanza(self) -> str:
        """The stanza of sources.list(5)."""
        return (
            f"Types: deb\nURIs: {self.uri}\nSuites: {' '.join(self.suites)}\n"
            f"Components: {' '.join(self.components)}\nTargets: Packages\n"
            f"Signed-By: {self.keyring}\n" + ("Check-Valid-Until: no\n" if self.frozen else "")
        )


class IsolatedApt:
    """Package lists of `archives` for `architectures`, kept below `directory`.

    The first architecture is the one that names without an architecture mean. Packages are kept
    by content below `cache`, whose locks keep requests to one host apart. `lenient`: a suite
    whose lists cannot be read is passed over as long as another's can.
    """

    def __init__(
        self,
        directory: Path,
        archives: Sequence[Archive],
        architectures: Sequence[str],
        cache: Path,
        log: Log,
        *,
        lenient: bool = False,
    ) -> None:
        self._archives = tuple(archives)
        self._architectures = tuple(architectures)
        self._sources = "\n".join(archive.stanza for archive in archives)
        key = hashlib.sha256(f"{self._sources}{self._architectures}".encode()).hexdigest()[:16]
        self._home = directory / key
        self._locks = cache
        self._store = Store(cache / "downloads")
        self._log = log
        self._lenient = lenient
        self._get = require_program("apt-get", "this step needs Debian's apt")
        self._cache = require_program("apt-cache", "this step needs Debian's apt")

    def __str__(self) -> str:
        return ", ".join(map(str, self._archives))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builders from changing the lists during the block, and make them fresh.

        Raises SuitesAbsent when the archive has none of the suites, HeadersNotFound when it cannot
        be read for another reason.
        """
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        with locked(self._home / "lock"):
            self._refresh()
            yield

    def show(self, names: Sequence[str]) -> list[DebPackage]:
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

    def download(self, packages: Sequence[DebPackage]) -> list[Path]:
        """Return a file for each of `packages`, named by its sha256.

        Files that are there already are checked and used again.
        """
        absent = [package for package in packages if not self._store.find(package.sha256)]
        if absent:
            with tempfile.TemporaryDirectory(dir=self._home) as directory:
                self._download_to(Path(directory), absent)
                for path in Path(directory).glob("*.deb"):
                    self._store.keep(path, digest_of(path))
        paths = {package.name: self._store.find(package.sha256) for package in packages}
        lost = [name for name, path in paths.items() if path is None]
        if lost:
            raise HeadersNotFound(f"{' and '.join(lost)} differs from what the lists promise")
        return [path for path in paths.values() if path]

    def _download_to(self, directory: Path, packages: Sequence[DebPackage]) -> None:
        require_time()
        started = time.monotonic()
        try:
            with self._hosts():
                wanted = (package.wanted for package in packages)
                self._run(self._get, "download", "-q", *wanted, cwd=directory)
        except CommandFailed as error:
            # The lists may be older than the archive: have the next try read them anew.
            self._stamp.unlink(missing_ok=True)
            reasons = f"download failed: {_reasons(error)}"
            self._say(reasons, started)
            raise NoAnswer(reasons) from None
        size = sum(package.size for package in packages)
        self._say(f"{len(packages)} packages, {size / 1e6:.1f} MB", started)

    def _refresh(self) -> None:
        if self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < _FRESH_SECONDS:
            return
        require_time()
        (self._home / "apt.sources").write_text(self._sources, encoding="utf-8")
        started = time.monotonic()
        try:
            with self._hosts():
                self._run(self._get, "update", "-q", "--error-on=any")
        except CommandFailed as error:
            outcome = f"lists cannot be read: {_reasons(error)}"
            self._say(outcome, started)
            # apt keeps the lists of a suite only after it has verified all of them.
            if not (self._lenient and any(self._home.glob("state/lists/*_Packages*"))):
                kind = SuitesAbsent if _says_absent(error) else NoAnswer
                raise kind(outcome) from None
        else:
            self._say("lists read", started)
        self._stamp.touch()

    @contextmanager
    def _hosts(self) -> Iterator[None]:
        """Hold the locks of all hosts that may be asked, always taken in the same order."""
        hosts = {urlsplit(archive.uri).hostname or "": archive.uri for archive in self._archives}
        with ExitStack() as stack:
            for _, uri in sorted(hosts.items()):
                stack.enter_context(host_lock(self._locks, uri))
            yield

    def _say(self, outcome: str, started: float) -> None:
        self._log.line(f"headers: {self}: {outcome} ({time.monotonic() - started:.1f} s)")

    @property
    def _stamp(self) -> Path:
        return self._home / "refreshed"

    def _run(self, program: str, verb: str, *words: str, cwd: Path | None = None) -> str:
        options = [word for option in self._options() for word in ("-o", option)]
        own = {name: os.environ[name] for name in ("APT_CONFIG",) if name in os.environ}
        # A server that never ends, or a disk that is full, may keep apt for ever.
        seconds = max(SHORTEST_RUN_SECONDS, seconds_left())
        return capture([program, verb, *options, *words], cwd=cwd, environment=own, seconds=seconds)

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
            *_STRICT,
        ]


# What a machine may have relaxed for its own archives does not hold for these. How old lists may be
# is left to it: one that names an exact kernel release names the right package at any age.
_STRICT = (
    "APT::Get::AllowUnauthenticated=false",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::AllowDowngradeToInsecureRepositories=false",
    "Acquire::AllowWeakRepositories=false",
)


def _failed(error: CommandFailed) -> list[str]:
    """Return every address that failed with what came of it."""
    matches = _FAILED.finditer(error.output)
    return [f"{match[1]}: {_shortened(' '.join(match[2].split()))}" for match in matches]


def _shortened(reason: str) -> str:
    return _UNKNOWN_KEYS.sub(lambda match: match[1].replace(" NO_PUBKEY", ",").strip(), reason)


def _says_absent(error: CommandFailed) -> bool:
    failed = _failed(error)
    return bool(failed) and all(_NO_SUITE.fullmatch(each) for each in failed)


def _reasons(error: CommandFailed) -> str:
    """Return what apt said of each address that failed, then what it makes of it."""
    asked = _failed(error)
    lines = [line[2:].strip() for line in error.output.splitlines() if line[:2] in ("E:", "W:")]
    # These repeat the addresses in more words.
    judged = [line for line in lines if not (asked and line.startswith(_REPEATED))]
    return "; ".join(dict.fromkeys([*asked, *judged])) or error.output.strip()[-300:]
