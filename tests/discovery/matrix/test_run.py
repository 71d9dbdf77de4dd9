"""What one run takes on: the distributions asked for, no more builds than fit, and a sane list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .support import RELEASES, builds, crawled, kernels_json, make, run, write

if TYPE_CHECKING:
    from pathlib import Path

VERSION = ("--driver-version", "v0.1.0")
FEDORA = {"target": "fedora", "kernelrelease": "6.17.1-300.fc43.x86_64", "distroversion": "43"}
DEBIAN = {"target": "debian", "kernelrelease": RELEASES[0], "distroversion": "12"}
CRAWLED = crawled("debian", "6.12.57-1-amd64")
NO_PREVIOUS = "nothing to compare with: the shrink guard is off"


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    ubuntu = {
        "target": "ubuntu",
        "kernelrelease": "6.8.0-63-generic",
        "distroversion": "24.04",
    }
    return write(tmp_path / "mixed.json", {"x86_64": [DEBIAN, FEDORA, ubuntu]})


def distributions(document: Any) -> list[str]:
    return [job["distribution"] for chunk in document["chunks"] for job in chunk]


def test_only_what_is_asked_for_is_built_and_the_rest_is_counted(
    tmp_path: Path, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--distribution", "debian", "--distribution", "ubuntu")
    document = make(tmp_path / "m.json", "--kernels", mixed, *VERSION, *asked)
    assert distributions(document) == ["debian", "ubuntu"]
    assert document["left_out"] == {"fedora: not asked for": 1}
    assert "1 left out: fedora: not asked for" in capsys.readouterr().out
    everything = make(tmp_path / "m.json", "--kernels", mixed, *VERSION)
    assert distributions(everything) == ["debian", "fedora", "ubuntu"]
    assert everything["left_out"] == {}


def test_asking_for_less_does_not_make_the_list_shrink(tmp_path: Path, mixed: str) -> None:
    make(tmp_path / "m.json", "--kernels", mixed, *VERSION)
    previous = ("--previous", str(tmp_path / "m.json"), "--driver", "hello")
    words = ("--kernels", mixed, *VERSION, "--distribution", "debian", *previous)
    document = make(tmp_path / "less.json", *words)
    assert sorted(document["wanted"]) == [
        "debian 12 x86_64",
        "fedora 43 x86_64",
        "ubuntu 24.04 x86_64",
    ]


def test_a_distribution_that_is_not_supported_is_refused(
    mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run("--kernels", mixed, *VERSION, "--distribution", "photon")
    assert refused.value.code == 2
    assert "photon" in capsys.readouterr().err


def test_builds_past_the_limit_are_deferred_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    releases = [f"6.1.0-{number}-amd64" for number in range(1, 8)]
    path = write(tmp_path / "kernels.json", kernels_json(*releases, aarch64=[]))
    versions = (*VERSION, "--driver-version", "v0.2.0")
    words = ("--kernels", path, *versions, "--max-builds", "5")
    document = make(tmp_path / "m.json", *words)
    assert builds(document) == [("v0.1.0", release) for release in releases[:5]]
    assert document["deferred"] == {
        "v0.1.0 debian 12 x86_64": releases[5:],
        "v0.2.0 debian 12 x86_64": releases,
    }
    assert (document["counts"]["builds"], document["counts"]["deferred"]) == (5, 9)
    printed = capsys.readouterr().out
    assert "9 builds deferred to the next run: this one is full (--max-builds)" in printed
    assert [line.split()[-2:] for line in printed.splitlines()[1:3]] == [["2", "1"], ["7", "0"]]


def test_what_was_deferred_is_built_by_the_next_runs(tmp_path: Path) -> None:
    releases = [f"6.1.0-{number}-amd64" for number in range(1, 8)]
    kernels = write(tmp_path / "kernels.json", kernels_json(*releases))
    held: list[dict[str, Any]] = []
    nights = []
    for _ in range(4):
        release = {"tag_name": "v0.1.0-debian-12-x86_64", "assets": held}
        previous = write(tmp_path / "releases.json", [release])
        words = ("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", previous)
        document = make(tmp_path / "m.json", *words, "--max-builds", "3")
        nights.append([release for _, release in builds(document)])
        names = [f"hello-debian-{release}_v0.1.0_amd64.deb" for release in nights[-1]]
        held += [{"name": name, "state": "uploaded", "size": 1} for name in names]
    assert nights == [releases[:3], releases[3:6], releases[6:], []]


def test_a_run_is_as_large_as_one_job_can_publish_unless_told_otherwise(tmp_path: Path) -> None:
    releases = [f"6.1.0-{number}-amd64" for number in range(1, 601)]
    path = write(tmp_path / "kernels.json", kernels_json(*releases))
    document = make(tmp_path / "m.json", "--kernels", path, *VERSION)
    assert (document["counts"]["builds"], document["counts"]["deferred"]) == (450, 150)
    document = make(tmp_path / "m.json", "--kernels", path, *VERSION, "--max-builds", "600")
    assert document["deferred"] == {}


@pytest.mark.parametrize("number", ["0", "-1", "many", "1000000"])
def test_a_limit_that_is_no_count_is_refused(
    mixed: str, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        run("--kernels", mixed, *VERSION, f"--max-builds={number}")
    assert refused.value.code == 2
    assert "--max-builds: expected a number from 1 to 999999" in capsys.readouterr().err


def test_that_nothing_can_be_compared_is_said_with_the_table_and_beside_it(
    tmp_path: Path, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "m.json", "--kernels", mixed, *VERSION)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == NO_PREVIOUS
    assert printed.err == f"kmodbot matrix: {NO_PREVIOUS}\n"
    previous = ("--previous", str(tmp_path / "m.json"), "--driver", "hello")
    assert run("--kernels", mixed, *VERSION, *previous) == 0
    printed = capsys.readouterr()
    assert NO_PREVIOUS not in printed.out + printed.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; restore it, or write {} into it"),
        (" \n", "is empty; restore it, or write {} into it"),
        ({"debian": [CRAWLED]}, "'debian': this is a kernel-crawler list; give it as --crawler"),
        ({"amd64": [DEBIAN]}, "'amd64': expected aarch64 or x86_64 as the name of a list; rename"),
        ({"amd64": []}, "'amd64': expected aarch64 or x86_64 as the name of a list; rename"),
        ({"x86_64": [DEBIAN], "arm64": [DEBIAN]}, "'arm64': expected aarch64 or x86_64"),
    ],
)
def test_a_list_of_another_shape_is_not_taken_for_nothing_to_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    path = write(tmp_path / "kernels.json", content)
    output = tmp_path / "m.json"
    assert run("--kernels", path, *VERSION, "-o", str(output)) == 2
    assert capsys.readouterr().err.startswith(f"kmodbot matrix: {path}: {message}")
    assert not output.exists()


@pytest.mark.parametrize(
    "content", [{}, {"x86_64": []}, {"x86_64": [], "note": "none yet", "$schema": {"a": 1}}]
)
def test_a_list_without_kernels_is_valid(tmp_path: Path, content: object) -> None:
    path = write(tmp_path / "kernels.json", content)
    assert make(tmp_path / "m.json", "--kernels", path, *VERSION)["chunks"] == []


def test_an_al2023_kernel_is_built_unless_its_headers_are_known_to_be_missing(
    tmp_path: Path,
) -> None:
    release = "6.1.182-227.{}.amzn2023.x86_64"
    entries = [
        crawled("amazonlinux2023", release.format(1), kmodbot={"seen_in": [], "devel": "missing"}),
        crawled("amazonlinux2023", release.format(2), kmodbot={"seen_in": []}),
        crawled("amazonlinux2023", release.format(3), kmodbot={"seen_in": []}, headers=["a.rpm"]),
    ]
    path = write(tmp_path / "list.json", {"amazonlinux2023": entries})
    document = make(tmp_path / "m.json", "--crawler", path, *VERSION)
    assert [built for _, built in builds(document)] == [release.format(2), release.format(3)]


def test_a_folder_is_no_file_to_write_to(
    tmp_path: Path, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kernels", mixed, *VERSION, "-o", str(tmp_path)) == 2
    message = f"kmodbot matrix: {tmp_path}: Is a directory; choose another -o\n"
    assert capsys.readouterr().err == message


def test_a_key_that_stands_twice_among_the_known_bad_is_refused(
    tmp_path: Path, mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "bad.json", '{"x86_64": [], "x86_64": []}')
    assert run("--kernels", mixed, *VERSION, "--known-bad", path) == 2
    message = f"{path}: cannot be read (the key 'x86_64' stands twice in one object); repair it"
    assert message in capsys.readouterr().err
