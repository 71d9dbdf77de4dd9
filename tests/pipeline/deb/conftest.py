"""What the tests of Debian's and Ubuntu's headers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.headers import debian, ubuntu

from .archives import Key
from .services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRRORS = {
    debian.MIRROR: "debian",
    debian.SECURITY_MIRROR: "debian-security",
    debian.SNAPSHOT_MIRROR: "",
    ubuntu.MIRROR: "ubuntu",
    ubuntu.SECURITY_MIRROR: "security",
    ubuntu.PORTS_MIRROR: "ports",
    ubuntu.OLD_RELEASES_MIRROR: "old",
    ubuntu.SNAPSHOT_MIRROR: "snapshot",
    ubuntu.LAUNCHPAD: "launchpad",
    ubuntu.LAUNCHPAD_API: "api",
}


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    key = Key.make(tmp_path_factory.mktemp("key") / "gpg")
    yield key
    key.close()


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    key = Key.make(tmp_path_factory.mktemp("other-key") / "gpg")
    yield key
    key.close()


@pytest.fixture(scope="session", autouse=True)
def own_apt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have apt as strict as it is by default, whatever this machine's own settings are."""
    path = tmp_path_factory.mktemp("apt") / "apt.conf"
    parts = 'Dir::Etc::Parts "/dev/null";\nDir::Etc::Main "/dev/null";\n'
    path.write_text(parts + 'Acquire::Retries::Delay "false";\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APT_CONFIG", str(path))
        yield


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with Services(tmp_path / "www") as services:
        yield services


@pytest.fixture
def mirrors(services: Services, key: Key, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Have the builder ask the services on loopback, and trust the key of these tests."""
    use(services, key, monkeypatch)
    return services


def use(services: Services, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    for mirror, path in MIRRORS.items():
        monkeypatch.setenv(mirror.variable, services.url(path))
    for distribution in (debian.DEBIAN, ubuntu.UBUNTU):
        monkeypatch.setenv(distribution.keyring.variable, str(key.keyring))
    # One try is enough where a fault is meant to stay.
    monkeypatch.setenv("KMODBOT_DOWNLOAD_TRIES", "1")
