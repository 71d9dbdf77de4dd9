"""Reading a node below its root directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import InvalidInput
from kmodbot.loader.failures import Refused
from kmodbot.loader.node import inside, read_kernel

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = "6.1.0-38-amd64"
DEBIAN = 'ID=debian\nVERSION_ID="12"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "host"
    (root / "etc").mkdir(parents=True)
    (root / "usr/lib").mkdir(parents=True)
    return root


def test_os_release_is_read_from_etc_first(root: Path) -> None:
    (root / "etc/os-release").write_text(DEBIAN)
    (root / "usr/lib/os-release").write_text("ID=fedora\nVERSION_ID=42\n")
    assert read_kernel(root, RELEASE, "amd64").distribution == "debian"


def test_os_release_is_read_from_usr_lib_when_etc_has_none(root: Path) -> None:
    (root / "usr/lib/os-release").write_text(DEBIAN)
    assert read_kernel(root, RELEASE, "amd64").distro_version == "12"


@pytest.mark.parametrize(
    "target", ["../usr/lib/os-release", "/usr/lib/os-release", "/../../usr/lib/os-release"]
)
def test_a_link_leads_to_the_nodes_own_file(root: Path, target: str) -> None:
    (root / "usr/lib/os-release").write_text(DEBIAN)
    (root / "etc/os-release").symlink_to(target)
    assert read_kernel(root, RELEASE, "amd64").distribution == "debian"


def test_a_directory_that_is_a_link_stays_on_the_node(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "data").mkdir()
    (root / "var").symlink_to("/data")
    assert inside(root, "var/lib/kmodbot") == root / "data/lib/kmodbot"
    (root / "up").symlink_to("../../elsewhere")
    assert inside(root, "up/x") == root / "elsewhere/x"


@pytest.mark.parametrize(
    ("running", "says"),
    [
        ("6.12.54-linuxkit", "LinuxKit"),
        ("6.12.57+deb13-amd64", "is of debian 13, not '12'"),
    ],
)
def test_a_running_kernel_of_another_system_leads_to_the_option(
    root: Path, monkeypatch: pytest.MonkeyPatch, running: str, says: str
) -> None:
    (root / "etc/os-release").write_text(DEBIAN)
    with pytest.raises(InvalidInput, match=says) as given:
        read_kernel(root, running, "amd64")
    assert "--kernel-release" not in str(given.value)
    machine = os.uname_result(("Linux", "node", running, "#1 SMP", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: machine)
    with pytest.raises(InvalidInput, match=f"{says}.*; it runs on this machine") as found:
        read_kernel(root, running, "amd64")
    assert found.value.field == given.value.field
    assert str(found.value).endswith("name one with --kernel-release")


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "etc/os-release").symlink_to("os-release")
    with pytest.raises(Refused, match="too many symbolic links"):
        read_kernel(root, RELEASE, "amd64")


def test_a_root_without_os_release_is_refused(root: Path) -> None:
    with pytest.raises(Refused, match="is --root right"):
        read_kernel(root, RELEASE, "amd64")
