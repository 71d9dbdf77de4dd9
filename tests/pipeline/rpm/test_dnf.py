"""dnf is used without a trace, and only where its repositories are the right ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kmodbot.pipeline.commands import CommandFailed, capture
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.headers.rpm import dnf
from tests.pipeline.servers import status

from . import dnf5
from .conftest import CHAINS, World, rpm_kernel
from .packages import repo_file

FEDORA = "6.14.0-100.fc42.x86_64"


@pytest.fixture
def machine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the os-release of the machine the test pretends to run on."""
    path = tmp_path / "os-release"
    monkeypatch.setattr(dnf, "OS_RELEASE", (tmp_path / "absent", path))
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ID=debian\nVERSION_ID=12\n", "this machine is debian 12, so its repositories"),
        ("ID=fedora\nVERSION_ID=43\n", "this machine is fedora 43, so its repositories"),
        ("ID=rhel\nVERSION_ID=9\n", "not fedora 42: os-release says ID='rhel'"),
        ("", "not fedora 42: os-release says ID=''"),
    ],
)
def test_repositories_of_another_system_are_not_asked(
    world: World, machine: Path, text: str, reason: str
) -> None:
    machine.write_text(text)
    with pytest.raises(BuildError) as caught:
        world.fetch(rpm_kernel("fedora", FEDORA))
    assert f"1. Fedora repositories, by path: {reason}" in str(caught.value)
    assert f"2. Fedora repositories, by name: {reason}" in str(caught.value)
    assert "dnf download" not in world.said


def test_the_machines_own_repositories_are_asked_on_the_kernels_own_distribution(
    world: World, machine: Path
) -> None:
    machine.write_text("ID=fedora\nVERSION_ID=42\n")
    world.put(world.workshop.package(FEDORA), "fedora/updates/42/Everything/x86_64/Packages/k")
    # dnf is asked, but this machine has no repositories of its own.
    world.fetch(rpm_kernel("fedora", FEDORA))
    assert f"headers: dnf download /usr/src/kernels/{FEDORA}: No package " in world.said
    assert world.found_in() == "Fedora mirrors and archives"


def test_a_machine_without_dnf_goes_on_with_the_next_step(
    with_dnf: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnf, "find_program", lambda name: None)
    with_dnf.put(
        with_dnf.workshop.package(FEDORA), "fedora/updates/42/Everything/x86_64/Packages/k"
    )
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    assert "by path: the program dnf is missing on this machine" in with_dnf.said
    assert with_dnf.found_in() == "Fedora mirrors and archives"


@pytest.mark.parametrize("kind", ["absent", "empty"])
def test_a_directory_without_repositories_is_named(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(tmp_path / kind))
    with pytest.raises(BadInput, match=r"^KMODBOT_DNF_REPOS: expected a directory with \.repo"):
        world.fetch(rpm_kernel("fedora", FEDORA))


def test_the_owner_of_the_path_may_have_any_name(with_dnf: World) -> None:
    with_dnf.put(with_dnf.workshop.package(FEDORA, "kernel-uek-devel"), "repository")
    with_dnf.index("repository")
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    assert f"headers: kernel-uek-devel-{FEDORA} (" in with_dnf.said


def test_a_kernel_that_came_a_moment_ago_is_found(with_dnf: World) -> None:
    with_dnf.put(with_dnf.workshop.package("6.14.0-99.fc42.x86_64"), "repository")
    with_dnf.index("repository")
    with_dnf.fetch(rpm_kernel("fedora", "6.14.0-99.fc42.x86_64"))
    with_dnf.put(with_dnf.workshop.package(FEDORA), "repository")
    with_dnf.index("repository")
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    assert with_dnf.said.count("by path: found (") == 2


def test_a_package_that_dnf_has_is_not_fetched_again(with_dnf: World) -> None:
    with_dnf.put(with_dnf.workshop.package(FEDORA), "repository")
    with_dnf.index("repository")
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    assert len([path for path in with_dnf.server.asked() if path.endswith(".rpm")]) == 1


def state_of_the_machine() -> set[Path]:
    places = ("/var/lib/dnf", "/var/cache/dnf", "/var/lib/rpm", "/var/log", "/etc/dnf")
    files = (path for place in places for path in Path(place).rglob("*"))
    return {path for path in files if "dnf" in str(path) or "rpm" in str(path)}


def test_a_repository_that_cannot_be_read_is_the_reason_given(with_dnf: World) -> None:
    with_dnf.server.fail_always("repository", status(503))
    with pytest.raises(BuildError, match=r"1\. .*dnf download .*Status code: 503 for http://"):
        with_dnf.fetch(rpm_kernel("fedora", FEDORA))


def test_nothing_of_the_machine_is_changed(with_dnf: World) -> None:
    before = state_of_the_machine()
    with_dnf.put(with_dnf.workshop.package(FEDORA), "repository")
    with_dnf.index("repository")
    with_dnf.fetch(rpm_kernel("fedora", FEDORA))
    assert state_of_the_machine() == before
    assert list((with_dnf.directory / "cache/dnf").rglob("*.solv"))


def test_amazon_linux_is_asked_for_its_latest_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = "6.12.58-82.121.amzn2023.x86_64"
    repos = repo_file(world.directory / "al", world.server.url("al/$releasever/$basearch"))
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(repos))
    world.put(world.workshop.package(release, "kernel6.12-devel"), "al/latest/x86_64")
    world.index("al/latest/x86_64")
    world.fetch(rpm_kernel("amazonlinux", release))
    assert world.found_in() == "Amazon Linux repositories, by path"


def test_another_architecture_is_asked_for_by_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = "6.14.0-100.fc42.aarch64"
    repos = repo_file(world.directory / "arm", world.server.url("f/$releasever/$basearch"))
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(repos))
    world.put(world.workshop.package(release), "f/42/aarch64")
    world.index("f/42/aarch64")
    world.fetch(rpm_kernel("fedora", release))
    assert world.found_in() == "Fedora repositories, by path"


def test_dnf_5_is_told_in_its_own_words() -> None:
    new = dnf.options(True, Path("/c"), "43", "x86_64", None)
    old = dnf.options(False, Path("/c"), "43", "x86_64", None)
    # Without this dnf 5 knows no repositories but those below the installroot.
    assert "--use-host-config" in new
    assert "--setopt=system_cachedir=/c/cache" in new
    assert "--setopt=skip_unavailable=True" in new
    assert not {"--use-host-config", "--setopt=skip_unavailable=True"} & set(old)
    assert "--setopt=strict=False" in old
    for words in (new, old):
        assert "--setopt=max_parallel_downloads=1" in words
        assert {"--installroot=/c", "--releasever=43", "--forcearch=x86_64"} <= set(words)
        assert not [word for word in words if word.startswith("--setopt=reposdir=")]
    named = dnf.options(True, Path("/c"), "43", "x86_64", Path("/repos"))
    assert "--setopt=reposdir=/repos" in named


@pytest.fixture
def with_dnf5(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the world with a dnf 5 and a repository of local files."""
    programs = world.directory / "programs"
    programs.mkdir()
    dnf5.put(programs)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    repository = world.server.root / "repository"
    repos = repo_file(world.directory / "repos", repository.as_uri())
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(repos))
    return world


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--skip-unavailable", "download"), 'Unknown argument "--skip-unavailable" for command'),
        (("download", "--skip-broken"), 'Unknown argument "--skip-broken" for command "download"'),
        (("--setopt=strict=False", "download"), 'setopt: "strict=False": Option not found'),
        (("--setopt=rt.enabled=1", "download"), 'No matching repositories for "rt"'),
    ],
)
def test_the_stand_in_for_dnf_5_is_as_strict_as_it(
    with_dnf5: World, words: tuple[str, ...], text: str
) -> None:
    with pytest.raises(CommandFailed, match=f"status 2:\n{text}"):
        capture([str(with_dnf5.directory / "programs/dnf"), *words])


@pytest.mark.parametrize(
    ("distribution", "release", "name", "way"),
    [
        ("fedora", FEDORA, "kernel-uek-devel", "path"),
        ("fedora", FEDORA, "kernel-devel", "name"),
        # The likelier of its two names is not there.
        ("amazonlinux", "6.12.25-32.101.amzn2023.x86_64", "kernel-devel", "name"),
        ("centos", "5.14.0-427.el9.x86_64+rt", "kernel-rt-devel", "path"),
    ],
)
def test_dnf_5_takes_every_word_it_is_told(
    with_dnf5: World, distribution: str, release: str, name: str, way: str
) -> None:
    with_dnf5.put(with_dnf5.workshop.package(release, name), "repository")
    wanted = rpm_kernel(distribution, release)
    (source,) = [
        each
        for each in CHAINS[distribution]
        if isinstance(each, dnf.Dnf) and each.by_path is (way == "path")
    ]
    work = with_dnf5.directory / "work"
    tree = source.fetch(wanted, work, with_dnf5.directory / "cache", with_dnf5.log)
    assert tree.path.name == release


REAL_TIME = "5.14.0-427.el9.x86_64+rt"


def with_real_time(world: World) -> None:
    """Add a repository that is switched off and has the real-time kernels."""
    repo_file(world.directory / "repos", world.server.url("real-time"), "rt", enabled=False)
    world.put(world.workshop.package(REAL_TIME, "kernel-rt-devel"), "real-time")
    world.index("real-time")
    world.put(world.workshop.package("5.14.0-427.el9.x86_64"), "repository")
    world.index("repository")


def test_repositories_of_real_time_kernels_are_switched_on_for_them(with_dnf: World) -> None:
    with_real_time(with_dnf)
    with_dnf.fetch(rpm_kernel("centos", REAL_TIME))
    assert with_dnf.found_in() == "CentOS Stream repositories, by path"


def test_other_kernels_are_not_looked_for_where_real_time_kernels_are(with_dnf: World) -> None:
    with_real_time(with_dnf)
    with_dnf.fetch(rpm_kernel("centos", "5.14.0-427.el9.x86_64"))
    assert with_dnf.found_in() == "CentOS Stream repositories, by path"
    assert with_dnf.asked()["real-time"] == 0


def test_variables_of_the_machine_hold_for_named_repositories(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vars").mkdir()
    (tmp_path / "vars/place").write_text("somewhere\n")
    monkeypatch.setattr(dnf, "VARS", (tmp_path / "absent", tmp_path / "vars"))
    repos = repo_file(tmp_path / "repos", world.server.url("$place"))
    monkeypatch.setenv("KMODBOT_DNF_REPOS", str(repos))
    world.put(world.workshop.package(FEDORA), "somewhere")
    world.index("somewhere")
    world.fetch(rpm_kernel("fedora", FEDORA))
    assert world.found_in() == "Fedora repositories, by path"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("dnf5 version 5.2.17.0\ndnf5 plugin API version 2.0\n", True),
        ("4.14.0\n  Installed: dnf-0:4.14.0-8.el9.noarch\n", False),
    ],
)
def test_the_version_tells_which_dnf_it_is(text: str, new: bool) -> None:
    assert dnf.is_dnf5(text) is new


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "Errors during downloading metadata for repository 'a':\n"
            "  - Status code: 503 for http://a/repomd.xml (IP: 127.0.0.1)\n"
            "Error: Failed to download metadata for repo 'a'\nNo package x available.\n",
            "Status code: 503 for http://a/repomd.xml (IP: 127.0.0.1)",
        ),
        (
            "Updating and loading repositories:\n"
            ">>> Curl error (6): Could not resolve hostname for http://a/\n",
            "Curl error (6): Could not resolve hostname for http://a/",
        ),
        ("No match for argument: x\n", "No match for argument: x"),
        ("Kernels   1.0 kB/s | 1 kB\nNo package x available.\n", "No package x available."),
        ("one\ntwo\nthree\n", "two; three"),
        ("", ""),
    ],
)
def test_of_dnfs_words_only_the_reason_is_kept(said: str, kept: str) -> None:
    assert dnf.reason(said) == kept
