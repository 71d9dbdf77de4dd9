"""Which keys count, and what happens on a machine without them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import SUPPORTED
from kmodbot.pipeline.errors import BadInput, BuildError, HeadersNotFound
from kmodbot.pipeline.headers.rpm import amazonlinux, centos, dnf, fedora, signatures
from kmodbot.pipeline.headers.rpm.signatures import Keyring, Keys

from .conftest import World, rpm_kernel
from .packages import Signer, Workshop

if TYPE_CHECKING:
    from pathlib import Path

FEDORA = "6.14.0-100.fc42.x86_64"


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory where the machine keeps keys."""
    monkeypatch.delenv("KMODBOT_RPM_KEYS", raising=False)
    directory = tmp_path / "rpm-gpg"
    directory.mkdir()
    monkeypatch.setattr(signatures, "DIRECTORY", directory)
    return directory


@pytest.mark.parametrize(
    ("keys", "distribution", "release", "name", "foreign"),
    [
        (
            fedora.KEYS,
            "fedora",
            FEDORA,
            "RPM-GPG-KEY-fedora-42-primary",
            "RPM-GPG-KEY-fedora-43-primary",
        ),
        (
            centos.KEYS,
            "centos",
            "5.14.0-427.el9.x86_64",
            "RPM-GPG-KEY-centosofficial",
            "RPM-GPG-KEY-CentOS-SIG-Extras",
        ),
        (
            centos.KEYS,
            "centos",
            "6.12.0-212.el10.x86_64",
            "RPM-GPG-KEY-centosofficial-SHA256",
            "RPM-GPG-KEY-EPEL-10",
        ),
        (
            amazonlinux.KEYS,
            "amazonlinux",
            "6.1.134-150.224.amzn2023.x86_64",
            "RPM-GPG-KEY-amazon-linux-2023",
            "RPM-GPG-KEY-docker",
        ),
    ],
)
def test_only_the_distributions_own_keys_count(
    pki: Path, keys: Keys, distribution: str, release: str, name: str, foreign: str
) -> None:
    kernel = rpm_kernel(distribution, release)
    (pki / foreign).touch()
    with pytest.raises(BuildError, match=f"holds no .*; dnf install {keys.package}, or name"):
        keys.files(kernel)
    (pki / name).touch()
    assert keys.files(kernel) == [pki / name]


def test_the_keys_that_sign_on_koji_are_known_for_every_supported_version() -> None:
    assert set(SUPPORTED["fedora"]) == set(fedora.SIGNERS)
    assert set(SUPPORTED["centos"]) == set(centos.SIGNERS)


def test_two_names_of_one_key_are_one_key(pki: Path) -> None:
    (pki / "RPM-GPG-KEY-fedora-42-primary").touch()
    (pki / "RPM-GPG-KEY-fedora-42-x86_64").symlink_to("RPM-GPG-KEY-fedora-42-primary")
    (found,) = fedora.KEYS.files(rpm_kernel("fedora", FEDORA))
    assert found.name == "RPM-GPG-KEY-fedora-42-primary"


def test_without_keys_nothing_is_downloaded_and_every_step_says_what_is_missing(
    pki: Path, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KMODBOT_RPM_KEYS")
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_ID=12\n")
    monkeypatch.setattr(dnf, "OS_RELEASE", (tmp_path / "os-release",))
    with pytest.raises(BuildError) as caught:
        world.fetch(rpm_kernel("fedora", FEDORA))
    assert world.server.asked() == []
    *steps, last = str(caught.value).splitlines()[1:]
    assert [step.partition(":")[0] for step in steps] == [
        "  1. Fedora repositories, by path",
        "  2. Fedora repositories, by name",
        "  3. Fedora mirrors and archives",
        "  4. Fedora Koji, signed",
        "  5. Fedora Koji, unsigned",
    ]
    assert all("this machine is debian 12" in step for step in steps[:2])
    assert all("holds no RPM-GPG-KEY-fedora-42-*, without which" in step for step in steps[2:])
    assert last.startswith("No archive was asked: install what is named above, or build in the ")
    assert list(pki.iterdir()) == []


def test_a_directory_of_keys_may_be_named_and_must_hold_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMODBOT_RPM_KEYS", str(tmp_path / "keys"))
    with pytest.raises(BadInput, match=r"^KMODBOT_RPM_KEYS: expected a directory of public keys"):
        fedora.KEYS.files(rpm_kernel("fedora", FEDORA))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ours.asc").touch()
    files = fedora.KEYS.files(rpm_kernel("fedora", FEDORA))
    assert files == [tmp_path / "keys/ours.asc"]


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("not a key\n")
    with pytest.raises(BuildError, match=f"^{tmp_path}/note is no key for rpm: "):
        Keyring(tmp_path, [tmp_path / "note"])


def test_a_machine_without_rpmkeys_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which
    monkeypatch.setattr(
        "kmodbot.pipeline.commands.find_program",
        lambda name: None if name == "rpmkeys" else found(name),
    )
    with pytest.raises(BuildError, match="the program rpmkeys is missing; install it with: dnf"):
        world.fetch(rpm_kernel("fedora", FEDORA))


def test_a_package_that_was_changed_after_it_was_signed_is_refused(
    tmp_path: Path, workshop: Workshop
) -> None:
    data = bytearray(workshop.package(FEDORA).read_bytes())
    data[-20] ^= 1
    (tmp_path / "changed.rpm").write_bytes(data)
    keyring = Keyring(tmp_path, [workshop.signer.public])
    for unsigned in (False, True):
        with pytest.raises(HeadersNotFound, match=r"Payload SHA256 digest: BAD"):
            keyring.check(tmp_path / "changed.rpm", unsigned=unsigned)


def test_keys_of_the_machine_are_not_used(tmp_path: Path, signers: tuple[Signer, Signer]) -> None:
    workshop = Workshop(tmp_path / "packages", signers[0])
    package = workshop.package(FEDORA)
    assert Keyring(tmp_path / "one", [signers[0].public]).check(package)
    with pytest.raises(HeadersNotFound, match="NOKEY"):
        Keyring(tmp_path / "two", [signers[1].public]).check(package)
