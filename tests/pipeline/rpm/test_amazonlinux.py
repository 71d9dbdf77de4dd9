"""Amazon Linux 2023: named repositories, mirror lists, and packages in a shared store."""

from __future__ import annotations

import pytest

from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers.rpm.repository import parse_mirror_list

from .conftest import ONCE_FOR_DNF, World, rpm_kernel

NEW = "6.12.58-82.121.amzn2023.x86_64"
EARLY = "6.12.25-32.101.amzn2023.x86_64"
OLD = "6.1.134-150.224.amzn2023.x86_64"
NAMES = [
    (NEW, "kernel6.12-devel"),
    # Before the packages of 6.12 were renamed.
    (EARLY, "kernel-devel"),
    (OLD, "kernel-devel"),
]
LIST = "al2023/core/mirrors/latest/x86_64/mirror.list"
BASE = "al2023/core/guids/0123abcd/x86_64"


@pytest.fixture
def core(world: World) -> World:
    """Return a world without dnf whose core repository is empty."""
    mirrors = world.server.root / LIST
    mirrors.parent.mkdir(parents=True)
    mirrors.write_text(f"{world.server.url(BASE)}/\n")
    world.index(BASE)
    return world


@pytest.mark.parametrize(("release", "name"), NAMES, ids=lambda value: value.partition(".amzn")[0])
def test_each_name_is_found_in_the_core_repository(core: World, release: str, name: str) -> None:
    core.put(core.workshop.package(release, name), BASE)
    core.index(BASE)
    tree = core.fetch(rpm_kernel("amazonlinux", release))
    assert tree.path.name == release
    assert core.found_in() == "Amazon Linux core"


@pytest.mark.parametrize(("release", "name"), NAMES, ids=lambda value: value.partition(".amzn")[0])
@pytest.mark.parametrize("way", ["path", "name"])
def test_dnf_finds_each_name_by_path_and_by_name(
    with_dnf: World, release: str, name: str, way: str
) -> None:
    with_dnf.put(with_dnf.workshop.package(release, name), "repository")
    with_dnf.index("repository")
    if way == "name":
        with_dnf.server.fail("repository/repodata/repomd.xml", *ONCE_FOR_DNF)
    with_dnf.fetch(rpm_kernel("amazonlinux", release))
    assert with_dnf.found_in() == f"Amazon Linux repositories, by {way}"


def test_a_package_in_the_shared_store_is_fetched_from_there(core: World) -> None:
    core.put(core.workshop.package(NEW, "kernel6.12-devel"), BASE)
    core.index(BASE, "--location-prefix=../../../../blobstore/77")
    file = f"kernel6.12-devel-{NEW}.rpm"
    store = core.server.root / "al2023/blobstore/77"
    store.mkdir(parents=True)
    (core.server.root / BASE / file).replace(store / file)
    core.fetch(rpm_kernel("amazonlinux", NEW))
    assert core.server.asked("al2023/blobstore") == [f"al2023/blobstore/77/{file}"]


def test_a_live_patch_of_the_kernel_is_not_taken_for_its_headers(core: World) -> None:
    livepatch = "kernel-livepatch-6.12.58-82.121"
    core.put(core.workshop.package("1.0-1.amzn2023.x86_64", livepatch, holds=NEW), BASE)
    core.put(core.workshop.package(NEW, "kernel6.12-devel"), BASE)
    core.index(BASE)
    core.fetch(rpm_kernel("amazonlinux", NEW))
    assert f"headers: kernel6.12-devel-{NEW} (" in core.said


def test_the_second_mirror_serves_when_the_first_does_not(core: World) -> None:
    second = "al2023/second"
    core.put(core.workshop.package(NEW, "kernel6.12-devel"), second)
    core.index(second)
    lines = [core.server.url(BASE), core.server.url("absent"), core.server.url(second)]
    (core.server.root / LIST).write_text("\n".join(lines))
    core.fetch(rpm_kernel("amazonlinux", NEW))
    assert f"{core.server.url('absent')}/repodata/repomd.xml: 404 (" in core.said


def test_a_kernel_that_is_listed_nowhere_names_what_was_looked_for(core: World) -> None:
    with pytest.raises(BuildError) as caught:
        core.fetch(rpm_kernel("amazonlinux", NEW))
    expected = f"lists no kernel6.12-devel-{NEW} or kernel-devel-{NEW}"
    assert f"3. Amazon Linux core: {core.server.url(BASE)}/: {expected}" in str(caught.value)


@pytest.mark.parametrize("what", ["primary", "package"])
def test_what_differs_from_its_checksum_is_refused(core: World, what: str) -> None:
    core.put(core.workshop.package(NEW, "kernel6.12-devel"), BASE)
    core.index(BASE)
    pattern = "repodata/*-primary.xml.gz" if what == "primary" else "*.rpm"
    (path,) = (core.server.root / BASE).glob(pattern)
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    with pytest.raises(BuildError, match=rf"{path.name}: has sha256 [0-9a-f]+, expected"):
        core.fetch(rpm_kernel("amazonlinux", NEW))


@pytest.mark.parametrize(
    ("url", "lines", "good"),
    [
        ("https://a/list", "https://b/x\nhttp://c/y\nfile:///etc\n", ["https://b/x"]),
        ("http://a/list", "\n# none\nhttp://c/y\nfile:///etc\n", ["http://c/y"]),
        ("file:///list", "file:///repo\n", ["file:///repo"]),
    ],
)
def test_a_list_names_no_mirror_that_is_less_safe_than_itself(
    url: str, lines: str, good: list[str]
) -> None:
    assert parse_mirror_list(lines.encode(), url) == good


@pytest.mark.parametrize("document", [b"", b"<html>", b"http://b/x\n", b"\xff\xfe"])
def test_a_list_without_a_usable_mirror_is_refused(document: bytes) -> None:
    with pytest.raises(HeadersNotFound, match="https://a/list: names no mirror"):
        parse_mirror_list(document, "https://a/list")
