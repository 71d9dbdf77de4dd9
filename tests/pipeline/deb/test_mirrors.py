"""Addresses and keyrings from the environment are checked before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.headers.mirrors import Keyring, Mirror

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = Mirror("KMODBOT_DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYRING = Keyring("KMODBOT_DEBIAN_KEYRING", "/nowhere/archive.gpg", "debian-archive-keyring")


def test_a_mirror_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MIRROR.variable, raising=False)
    assert MIRROR.address() == "http://deb.debian.org/debian"
    monkeypatch.setenv(MIRROR.variable, "https://mirror.example/debian/")
    assert MIRROR.address() == "https://mirror.example/debian"


@pytest.mark.parametrize(
    "address", ["mirror", "http://a\nSuites: x", "http://user:secret@mirror.example/"]
)
def test_an_address_that_is_none_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(MIRROR.variable, address)
    with pytest.raises(BadInput, match=r"^KMODBOT_DEBIAN_MIRROR: expected") as caught:
        MIRROR.address()
    assert "secret" not in str(caught.value)


def test_a_keyring_that_is_missing_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYRING.variable, raising=False)
    with pytest.raises(BuildError, match="apt-get install debian-archive-keyring"):
        KEYRING.path()


@pytest.mark.parametrize("path", ["archive.gpg", "/keys/a b.gpg", "/keys\nTrusted: yes"])
def test_a_keyring_that_apt_would_misread_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv(KEYRING.variable, path)
    with pytest.raises(BadInput, match=r"^KMODBOT_DEBIAN_KEYRING: expected a path"):
        KEYRING.path()


def test_another_keyring_takes_the_place_of_the_distributions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own.gpg").touch()
    monkeypatch.setenv(KEYRING.variable, str(tmp_path / "own.gpg"))
    assert KEYRING.path() == tmp_path / "own.gpg"
