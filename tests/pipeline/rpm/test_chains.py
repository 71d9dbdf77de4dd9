"""Every step of every chain, and the next one when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BuildError
from tests.pipeline.servers import Fault, changed, stalled, status, truncated

from .conftest import ONCE_FOR_DNF, World, rpm_kernel

if TYPE_CHECKING:
    from .packages import Signer

FEDORA = "6.14.0-100.fc42.x86_64"
CENTOS = "5.14.0-427.el9.x86_64"
FAULTS = [status(403), status(404), truncated(500), changed(), stalled(500)]

UPDATES = "updates/42/Everything/x86_64/Packages/k"
RELEASES = "releases/42/Everything/x86_64/os/Packages/k"
BUILD = "fedora-koji/packages/kernel/6.14.0/100.fc42"
SIGNED = f"{BUILD}/data/signed/105ef944/x86_64"
UNSIGNED = f"{BUILD}/x86_64"


@pytest.fixture
def everywhere(world: World) -> World:
    """Return a world where every source of Fedora has the headers."""
    package = world.workshop.package(FEDORA)
    world.put(package, "repository", f"fedora/{UPDATES}", SIGNED)
    world.put(world.workshop.package(FEDORA, signed=False), UNSIGNED)
    world.index("repository")
    return world


@pytest.mark.usefixtures("with_dnf")
def test_the_repository_is_asked_first_by_the_path(everywhere: World) -> None:
    tree = everywhere.fetch(rpm_kernel("fedora", FEDORA))
    assert tree.path == tree.root / f"usr/src/kernels/{FEDORA}"
    assert everywhere.found_in() == "Fedora repositories, by path"
    assert set(everywhere.asked()) == {"repository"}
    assert everywhere.log.notes == []


@pytest.mark.usefixtures("with_dnf")
def test_the_name_is_asked_for_when_the_path_brings_nothing(everywhere: World) -> None:
    everywhere.server.fail("repository/repodata/repomd.xml", *ONCE_FOR_DNF)
    everywhere.fetch(rpm_kernel("fedora", FEDORA))
    assert everywhere.found_in() == "Fedora repositories, by name"
    assert f"dnf download kernel-devel-{FEDORA}: kernel-devel-{FEDORA}.rpm (" in everywhere.said


@pytest.mark.usefixtures("with_dnf")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}{fault.status or ''}")
def test_a_mirror_serves_when_the_repositories_fail(
    everywhere: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_WINDOW", "1")
    everywhere.server.fail_always(f"repository/kernel-devel-{FEDORA}.rpm", fault)
    everywhere.fetch(rpm_kernel("fedora", FEDORA))
    assert everywhere.found_in() == "Fedora mirrors and archives"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}{fault.status or ''}")
@pytest.mark.parametrize(
    ("failing", "serving"),
    [
        (["fedora/"], "Fedora Koji, signed"),
        (["fedora/", SIGNED], "Fedora Koji, unsigned"),
    ],
    ids=["mirrors", "mirrors and Koji's signed copy"],
)
def test_koji_serves_when_the_mirrors_fail(
    everywhere: World,
    monkeypatch: pytest.MonkeyPatch,
    failing: list[str],
    serving: str,
    fault: Fault,
) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_WINDOW", "1")
    for prefix in failing:
        everywhere.server.fail_always(prefix, fault)
    everywhere.fetch(rpm_kernel("fedora", FEDORA))
    assert everywhere.found_in() == serving


@pytest.mark.usefixtures("with_dnf")
@pytest.mark.parametrize("fault", FAULTS[:-1], ids=lambda fault: f"{fault.kind}{fault.status}")
def test_when_all_fail_the_error_names_every_step_and_address(
    everywhere: World, fault: Fault
) -> None:
    everywhere.server.fail_always("", fault)
    with pytest.raises(BuildError) as caught:
        everywhere.fetch(rpm_kernel("fedora", FEDORA))
    message = str(caught.value)
    steps = [line.partition(": ")[0].strip() for line in message.splitlines()[1:6]]
    assert steps == [
        "1. Fedora repositories, by path",
        "2. Fedora repositories, by name",
        "3. Fedora mirrors and archives",
        "4. Fedora Koji, signed",
        "5. Fedora Koji, unsigned",
    ]
    for place in (f"fedora/{UPDATES}", f"fedora-archive/{RELEASES}", SIGNED, UNSIGNED):
        url = everywhere.server.url(f"{place}/kernel-devel-{FEDORA}.rpm")
        assert f"{url}: " in message
        assert f"headers: {url}: " in everywhere.said


def test_only_the_unsigned_copy_comes_with_a_warning(everywhere: World) -> None:
    for prefix in ("fedora/", SIGNED):
        everywhere.server.fail_always(prefix, status(404))
    everywhere.fetch(rpm_kernel("fedora", FEDORA))
    url = everywhere.server.url(f"{UNSIGNED}/kernel-devel-{FEDORA}.rpm")
    assert everywhere.log.notes == [f"headers: {url} is not signed; nobody vouches for who made it"]


@pytest.mark.usefixtures("with_dnf")
@pytest.mark.parametrize("place", ["repository", f"fedora/{UPDATES}", SIGNED])
@pytest.mark.parametrize("kind", ["of somebody else", "missing"])
def test_a_signature_that_is_wrong_fails_the_step(
    world: World, signers: tuple[Signer, Signer], place: str, kind: str
) -> None:
    signed = kind == "of somebody else"
    world.put(world.workshop.package(FEDORA, signer=signers[1], signed=signed), place)
    world.index("repository")
    with pytest.raises(BuildError, match=r"signature not accepted: ") as caught:
        world.fetch(rpm_kernel("fedora", FEDORA))
    assert ("NOKEY" in str(caught.value)) is signed
    assert ("the package is not signed" in str(caught.value)) is not signed
    assert world.log.notes == []


def test_a_wrong_signature_is_refused_even_where_none_is_needed(
    world: World, signers: tuple[Signer, Signer]
) -> None:
    world.put(world.workshop.package(FEDORA, signer=signers[1]), UNSIGNED)
    with pytest.raises(BuildError, match=r"5\. .*signature not accepted: .*NOKEY"):
        world.fetch(rpm_kernel("fedora", FEDORA))


def test_after_a_wrong_signature_a_good_one_further_on_serves(
    everywhere: World, signers: tuple[Signer, Signer]
) -> None:
    wrong = everywhere.workshop.package(FEDORA, signer=signers[1])
    everywhere.put(wrong, f"fedora/{UPDATES}")
    everywhere.put(everywhere.workshop.package(FEDORA), f"fedora/{RELEASES}")
    everywhere.fetch(rpm_kernel("fedora", FEDORA))
    assert everywhere.found_in() == "Fedora mirrors and archives"


@pytest.mark.parametrize(
    "place",
    [
        f"fedora/{UPDATES}",
        f"fedora/{RELEASES}",
        "fedora-updates-archive/42/x86_64",
        "fedora-updates-archive/42/x86_64/Packages/k",
        f"fedora-archive/{UPDATES}",
        f"fedora-archive/{RELEASES}",
    ],
)
def test_every_mirror_and_archive_of_fedora_is_looked_at(world: World, place: str) -> None:
    world.put(world.workshop.package(FEDORA), place)
    world.fetch(rpm_kernel("fedora", FEDORA))
    assert world.found_in() == "Fedora mirrors and archives"


CENTOS_BUILD = "centos-koji/packages/kernel/5.14.0/427.el9"


@pytest.mark.parametrize(
    ("release", "name", "place", "serving"),
    [
        (
            CENTOS,
            "kernel-devel",
            "centos/9-stream/AppStream/x86_64/os/Packages",
            "CentOS Stream mirror",
        ),
        (
            f"{CENTOS}+rt",
            "kernel-rt-devel",
            "centos/9-stream/NFV/x86_64/os/Packages",
            "CentOS Stream mirror",
        ),
        (
            "5.14.0-100.rt14.100.el9.x86_64",
            "kernel-rt-devel",
            "centos/9-stream/RT/x86_64/os/Packages",
            "CentOS Stream mirror",
        ),
        (
            "6.12.0-212.el10.x86_64",
            "kernel-devel",
            "centos/10-stream/AppStream/x86_64/os/Packages",
            "CentOS Stream mirror",
        ),
        (
            "5.14.0-427.el9.aarch64+64k",
            "kernel-64k-devel",
            f"{CENTOS_BUILD}/data/signed/8483c65d/aarch64",
            "CentOS Stream Koji, signed",
        ),
        (
            f"{CENTOS}+debug",
            "kernel-debug-devel",
            f"{CENTOS_BUILD}/data/signed/8483c65d/x86_64",
            "CentOS Stream Koji, signed",
        ),
        (CENTOS, "kernel-devel", f"{CENTOS_BUILD}/x86_64", "CentOS Stream Koji, unsigned"),
        (
            "5.14.0-100.rt14.100.el9.x86_64",
            "kernel-rt-devel",
            "centos-koji/packages/kernel-rt/5.14.0/100.rt14.100.el9/x86_64",
            "CentOS Stream Koji, unsigned",
        ),
    ],
)
def test_where_centos_stream_keeps_its_kernels_and_variants(
    world: World, release: str, name: str, place: str, serving: str
) -> None:
    signed = not serving.endswith("unsigned")
    world.put(world.workshop.package(release, name, signed=signed), place)
    tree = world.fetch(rpm_kernel("centos", release))
    assert tree.path.name == release
    assert world.found_in() == serving


@pytest.mark.parametrize("release", [f"{FEDORA}+debug", "6.17.1-300.fc43.aarch64+16k"])
def test_dnf_finds_variants_by_the_path(with_dnf: World, release: str) -> None:
    variant = release.partition("+")[2]
    with_dnf.put(with_dnf.workshop.package(release, f"kernel-{variant}-devel"), "repository")
    plain = release.partition("+")[0]
    with_dnf.put(with_dnf.workshop.package(plain), "repository")
    with_dnf.index("repository")
    tree = with_dnf.fetch(rpm_kernel("fedora", release))
    assert tree.path.name == release
    assert f"headers: kernel-{variant}-devel-{plain} (" in with_dnf.said


def test_a_package_of_another_kernel_under_the_right_name_is_refused(world: World) -> None:
    other = world.workshop.package("6.14.1-101.fc42.x86_64")
    directory = world.server.root / f"fedora/{UPDATES}"
    directory.mkdir(parents=True)
    (directory / f"kernel-devel-{FEDORA}.rpm").write_bytes(other.read_bytes())
    expected = f"is kernel-devel-6.14.1-101.fc42.x86_64, expected kernel-devel-{FEDORA}"
    with pytest.raises(BuildError, match=expected):
        world.fetch(rpm_kernel("fedora", FEDORA))


def test_a_package_without_the_kernels_directory_is_refused(world: World) -> None:
    package = world.workshop.package(FEDORA, holds="6.14.0-99.fc42.x86_64")
    world.put(package, f"fedora/{UPDATES}")
    with pytest.raises(BuildError, match=f"holds no /usr/src/kernels/{FEDORA}"):
        world.fetch(rpm_kernel("fedora", FEDORA))
