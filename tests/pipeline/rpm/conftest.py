"""What the tests of rpm distributions share."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel
from kmodbot.pipeline.headers.chain import fetch_headers
from kmodbot.pipeline.headers.rpm import amazonlinux, centos, dnf, fedora
from tests.pipeline.servers import FileServer, serving, status

from . import kernel_devel as real
from .packages import Signer, Workshop, index, put, repo_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.phases import Log

MIRRORS = {
    "fedora": fedora.MIRROR,
    "fedora-archive": fedora.ARCHIVE,
    "fedora-updates-archive": fedora.UPDATES_ARCHIVE,
    "fedora-koji": fedora.KOJI,
    "centos": centos.MIRROR,
    "centos-koji": centos.KOJI,
    "al2023": amazonlinux.MIRROR,
}

#: What fails one run of dnf, which asks four times for the index of a repository.
ONCE_FOR_DNF = [status(503)] * 4


def rpm_kernel(distribution: str, release: str) -> Kernel:
    """Return the kernel that the release alone tells."""
    architecture = release.partition("+")[0].rpartition(".")[2]
    return Kernel.parse(distribution=distribution, architecture=architecture, release=release)


@pytest.fixture(scope="session")
def signers() -> Iterator[tuple[Signer, Signer]]:
    """Give the key of the distribution and that of somebody else."""
    # Below pytest's own directories the name of gpg's socket would be too long.
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    made = (Signer.make(home / "a", "distribution"), Signer.make(home / "b", "somebody"))
    yield made
    for signer in made:
        signer.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def workshop(signers: tuple[Signer, Signer], tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("packages"), signers[0])


@pytest.fixture(scope="session")
def kernel_devel(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> real.KernelDevel:
    """Return a Fedora kernel's headers that modules can really be built with."""
    return real.make(tmp_path_factory.mktemp("kernel-devel"), workshop)


@dataclass
class World:
    """All servers of the distributions on loopback, and a builder that knows them."""

    server: FileServer
    directory: Path
    workshop: Workshop
    log: Log

    def put(self, package: Path, *places: str) -> None:
        """Put a package where the servers have it."""
        for place in places:
            put(package, self.server.root / place)

    def index(self, place: str, *options: str) -> None:
        """Make a repository of what is in a place."""
        index(self.server.root / place, *options)

    def fetch(self, kernel: Kernel) -> HeaderTree:
        """Return the headers from the chain of the kernel's distribution."""
        chain = CHAINS[kernel.distribution]
        number = len(list(self.directory.glob("work-*")))
        work = self.directory / f"work-{number}"
        return fetch_headers(kernel, work, self.directory / "cache", self.log, chain)

    @property
    def said(self) -> str:
        """Everything that was logged."""
        assert isinstance(self.log.stream, io.StringIO)
        return self.log.stream.getvalue()

    def found_in(self) -> str:
        """Return the name of the source that had the headers."""
        (line,) = [line for line in self.said.splitlines() if ": found (" in line]
        return line.partition("headers: ")[2].rpartition(": found")[0]

    def asked(self) -> Counter[str]:
        """Return how often each server was asked."""
        return Counter(path.partition("/")[0] for path in self.server.asked())


CHAINS = {
    "fedora": fedora.CHAIN,
    "centos": centos.CHAIN,
    "amazonlinux": amazonlinux.CHAIN,
}


@pytest.fixture
def world(
    tmp_path: Path, workshop: Workshop, log: Log, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Give a world on a machine that is none of the distributions."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KMODBOT_DOWNLOAD_TRIES", "1")
    for server in serving(tmp_path / "www"):
        for name, mirror in MIRRORS.items():
            monkeypatch.setenv(mirror.variable, server.url(name))
        put(workshop.signer.public, tmp_path / "keys")
        monkeypatch.setenv("KMODBOT_RPM_KEYS", str(tmp_path / "keys"))
        monkeypatch.delenv("KMODBOT_DNF_REPOS", raising=False)
        monkeypatch.setattr(dnf, "OS_RELEASE", ())
        yield World(server, tmp_path, workshop, log)


@pytest.fixture
def with_dnf(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the world with a repository that dnf asks."""
    repos = repo_file(world.directory / "repos", world.server.url("repository"))
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(repos))
    return world
