"""``kmodbot matrix`` from the lists to the jobs."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from .support import RELEASES, builds, crawled, kernels_json, make, run, write

if TYPE_CHECKING:
    from pathlib import Path

VERSION = ("--driver-version", "v0.1.0")
TAG = "v0.1.0-debian-12-x86_64"


@pytest.fixture
def kernels(tmp_path: Path) -> str:
    return write(tmp_path / "kernels.json", kernels_json(*RELEASES))


def package(release: str, version: str = "v0.1.0") -> str:
    return f"hello-debian-{release}_{version}_amd64.deb"


def release_of(*names: str, state: str = "uploaded", size: int = 1) -> dict[str, Any]:
    assets = [{"name": name, "state": state, "size": size} for name in names]
    return {"tag_name": TAG, "assets": assets}


def test_kernels_of_one_image_share_a_job(tmp_path: Path, kernels: str) -> None:
    document = make(tmp_path / "matrix.json", "--kernels", kernels, *VERSION)
    assert document["chunks"] == [
        [
            {
                "name": "v0.1.0 debian 12 x86_64 1",
                "driver_version": "v0.1.0",
                "distribution": "debian",
                "distro_version": "12",
                "architecture": "x86_64",
                "kernels": ["6.1.0-9-amd64", "6.1.0-38-amd64", "6.12.57+deb12-amd64"],
            }
        ]
    ]
    counts = {"builds": 3, "jobs": 1, "chunks": 1, "held": 0, "known_bad": 0, "deferred": 0}
    assert document["counts"] == counts
    assert document["wanted"] == {"debian 12 x86_64": 3}
    assert document["sources"] == ["kernels.json"]


def test_the_same_kernels_give_the_same_bytes(tmp_path: Path) -> None:
    entries = [crawled("fedora", f"6.17.{n}-300.fc43.x86_64") for n in range(40)]
    texts = set()
    for seed in range(3):
        random.Random(seed).shuffle(entries)  # noqa: S311  # guards nothing
        write(tmp_path / "list.json", {"fedora": entries})
        make(tmp_path / "m.json", "--crawler", str(tmp_path / "list.json"), *VERSION)
        texts.add((tmp_path / "m.json").read_text())
    assert len(texts) == 1


def test_every_driver_version_is_built_for_every_kernel(tmp_path: Path, kernels: str) -> None:
    versions = ("--driver-version", "v0.1.0", "--driver-version", "v0.2.0")
    document = make(tmp_path / "m.json", "--kernels", kernels, *versions)
    assert sorted(builds(document)) == sorted(
        (version, release) for version in ("v0.1.0", "v0.2.0") for release in RELEASES
    )


def test_one_job_builds_so_many_kernels_at_most(tmp_path: Path) -> None:
    releases = [f"6.1.0-{number}-amd64" for number in range(1, 48)]
    path = write(tmp_path / "kernels.json", kernels_json(*releases))
    document = make(tmp_path / "m.json", "--kernels", path, *VERSION, "--kernels-per-job", "10")
    (jobs,) = document["chunks"]
    assert [len(job["kernels"]) for job in jobs] == [9, 9, 10, 9, 10]
    assert [release for _, release in builds(document)] == releases


def test_lists_are_merged(tmp_path: Path, kernels: str) -> None:
    # The same kernel in both lists is one kernel.
    entries = [crawled("debian", "6.12.57-1~bpo12+1-amd64"), crawled("debian", "6.12.57-1-amd64")]
    path = write(tmp_path / "list.json", {"debian": entries})
    document = make(tmp_path / "m.json", "--kernels", kernels, "--crawler", path, *VERSION)
    assert document["wanted"] == {"debian 12 x86_64": 3, "debian 13 x86_64": 1}
    assert document["sources"] == ["kernel-crawler", "kernels.json"]


def test_what_cannot_be_built_is_counted_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing: dict[str, Any] = {"kmodbot": {"seen_in": ["livepatch"], "devel": "missing"}}
    present: dict[str, Any] = {"kmodbot": {"seen_in": ["core"], "devel": "present"}}
    content = {
        "amazonlinux2023": [
            crawled("amazonlinux2023", "6.1.182-227.378.amzn2023.x86_64", **missing),
            crawled("amazonlinux2023", "6.1.182-227.379.amzn2023.x86_64", **present),
        ],
        "debian": [crawled("debian", "6.1.170-3-amd64"), crawled("debian", "7.1.8-1-amd64")],
        "fedora": [
            crawled("fedora", "5.17.12-100.fc34.x86_64"),
            crawled("fedora", "5.17.13-100.fc34.x86_64"),
        ],
        "ubuntu": [crawled("ubuntu-nvidia", "6.8.0-1008-nvidia", "8")],
        "photon": [crawled("photon", "6.1.10-1.ph5")],
    }
    path = write(tmp_path / "list.json", content)
    document = make(tmp_path / "m.json", "--crawler", path, "--arch", "x86_64", *VERSION)
    assert builds(document) == [("v0.1.0", "6.1.182-227.379.amzn2023.x86_64")]
    assert document["left_out"] == {
        "amazonlinux 2023: no devel package in the repository": 1,
        "debian 12: kernel release unknown, no headers": 1,
        "debian: a series no Debian release was born with, so of testing or unstable": 1,
        "no image for fedora 34": 2,
        "photon is not supported": 1,
        "ubuntu: may be ubuntu 22.04 or 24.04": 1,
    }
    assert "2 left out: no image for fedora 34" in capsys.readouterr().out


def test_a_kernel_without_an_architecture_stops_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"ubuntu": [crawled("ubuntu-generic", "6.8.0-63-generic", "66")]}
    path = write(tmp_path / "list.json", content)
    output = tmp_path / "m.json"
    assert run("--crawler", path, *VERSION, "-o", str(output)) == 2
    assert "ubuntu[0]: the architecture is not known; say it with --arch" in capsys.readouterr().err
    assert not output.exists()


def test_a_list_merged_with_the_al2023_discovery_may_hold_both_architectures(
    tmp_path: Path,
) -> None:
    known: dict[str, Any] = {"kmodbot": {"seen_in": [], "devel": "present"}}
    release = "6.12.58-82.121.amzn2023"
    content = {
        "amazonlinux2023": [
            crawled("amazonlinux2023", f"{release}.{architecture}", **known)
            for architecture in ("x86_64", "aarch64")
        ]
    }
    path = write(tmp_path / "list.json", content)
    document = make(tmp_path / "m.json", "--crawler", path, "--arch", "x86_64", *VERSION)
    assert document["wanted"] == {"amazonlinux 2023 aarch64": 1, "amazonlinux 2023 x86_64": 1}


def test_the_folder_of_a_list_tells_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "aarch64").mkdir()
    content = {"ubuntu": [crawled("ubuntu-generic", "6.8.0-63-generic", "66")]}
    path = write(tmp_path / "aarch64" / "list.json", content)
    document = make(tmp_path / "m.json", "--crawler", path, *VERSION)
    assert document["wanted"] == {"ubuntu 24.04 aarch64": 1}


def test_what_the_releases_hold_is_not_built_again(tmp_path: Path, kernels: str) -> None:
    previous = write(tmp_path / "releases.json", [release_of(*map(package, RELEASES[:2]))])
    words = ("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", previous)
    document = make(tmp_path / "m.json", *words)
    assert builds(document) == [("v0.1.0", "6.12.57+deb12-amd64")]
    assert document["held"] == {TAG: sorted(map(package, RELEASES[:2]))}
    # What was written tells the same the next time, without any list of releases.
    again = write(tmp_path / "first.json", document)
    words = ("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", again)
    assert make(tmp_path / "m.json", *words)["chunks"] == document["chunks"]


@pytest.mark.parametrize(
    "release",
    [
        release_of(package(RELEASES[0]), state="starter"),
        release_of(package(RELEASES[0]), size=0),
        release_of(package(RELEASES[0], "v0.2.0")),
        {**release_of(package(RELEASES[0])), "tag_name": "v0.1.0-debian-13-x86_64"},
    ],
    ids=["broken upload", "empty", "another version", "another distro version"],
)
def test_only_a_whole_package_in_the_right_release_counts(
    tmp_path: Path, kernels: str, release: dict[str, Any]
) -> None:
    previous = write(tmp_path / "releases.json", [release])
    words = ("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", previous)
    assert len(builds(make(tmp_path / "m.json", *words))) == 3


def test_a_night_with_nothing_new_has_no_chunk(
    tmp_path: Path, kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    previous = write(tmp_path / "releases.json", [release_of(*map(package, RELEASES))])
    words = ("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", previous)
    document = make(tmp_path / "m.json", *words)
    assert document["chunks"] == []
    assert "nothing to build" in capsys.readouterr().out


def test_a_new_driver_version_is_built_for_every_kernel(tmp_path: Path, kernels: str) -> None:
    previous = write(tmp_path / "releases.json", [release_of(*map(package, RELEASES))])
    words = ("--kernels", kernels, "--driver", "hello", "--previous", previous)
    document = make(tmp_path / "m.json", *words, "--driver-version", "v0.2.0")
    assert len(builds(document)) == 3


def test_kernels_known_not_to_build_are_left_out_with_the_reason(
    tmp_path: Path, kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"target": "debian", "distroversion": "12", "kernelrelease": RELEASES[0]}
    bad = {"x86_64": [{**entry, "reason": "headers are broken", "driverversions": ["v0.1.0"]}]}
    path = write(tmp_path / "bad.json", bad)
    versions = (*VERSION, "--driver-version", "v0.2.0")
    document = make(tmp_path / "m.json", "--kernels", kernels, "--known-bad", path, *versions)
    assert ("v0.1.0", RELEASES[0]) not in builds(document)
    assert ("v0.2.0", RELEASES[0]) in builds(document)
    assert document["known_bad"] == {"headers are broken": 1}
    assert "1 known not to build: headers are broken" in capsys.readouterr().out


def test_a_list_that_shrank_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    releases = [f"6.1.0-{number}-amd64" for number in range(1, 11)]
    full = write(tmp_path / "full.json", kernels_json(*releases))
    fewer = write(tmp_path / "fewer.json", kernels_json(*releases[:7]))
    make(tmp_path / "m.json", "--kernels", full, *VERSION)
    previous = ("--previous", str(tmp_path / "m.json"), "--driver", "hello")
    output = tmp_path / "new.json"
    assert run("--kernels", fewer, *VERSION, *previous, "-o", str(output)) == 1
    message = capsys.readouterr().err
    assert "lost more than 20 % of its kernels: debian 12 x86_64 from 10 to 7" in message
    assert "--force" in message
    assert not output.exists()
    assert run("--kernels", fewer, *VERSION, *previous, "--force") == 0
    assert run("--kernels", fewer, *VERSION, *previous, "--max-shrink", "30") == 0


def test_an_image_that_lost_all_its_kernels_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fedora = crawled("fedora", "6.17.1-300.fc43.x86_64")
    debian = [crawled("debian", f"6.12.{number}-1-amd64") for number in range(40, 90)]
    both = write(tmp_path / "both.json", {"fedora": [fedora], "debian": debian})
    one = write(tmp_path / "one.json", {"debian": debian})
    make(tmp_path / "m.json", "--crawler", both, *VERSION)
    previous = ("--previous", str(tmp_path / "m.json"), "--driver", "hello")
    assert run("--crawler", one, *VERSION, *previous) == 1
    assert "fedora 43 x86_64 from 1 to 0" in capsys.readouterr().err


def test_a_matrix_of_other_sources_is_not_compared(
    tmp_path: Path, kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fedora = {"fedora": [crawled("fedora", "6.17.1-300.fc43.x86_64")]}
    path = write(tmp_path / "list.json", fedora)
    make(tmp_path / "m.json", "--crawler", path, "--kernels", kernels, *VERSION)
    previous = ("--previous", str(tmp_path / "m.json"), "--driver", "hello")
    assert run("--kernels", kernels, *VERSION, *previous) == 0
    message = "was made from kernel-crawler and kernels.json, so it is not known whether"
    assert message in capsys.readouterr().err


def test_json_goes_to_standard_output_and_the_table_out_of_the_way(
    kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kernels", kernels, *VERSION, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["counts"]["builds"] == 3
    assert "3 builds in 1 jobs and 1 chunks" in printed.err


def test_without_any_list_the_one_in_its_usual_place_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".github").mkdir()
    write(tmp_path / ".github/kernels.json", kernels_json(*RELEASES))
    assert len(builds(make(tmp_path / "m.json", *VERSION))) == 3


DEBIAN = {"target": "debian", "kernelrelease": RELEASES[0], "distroversion": "12"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON at line 1"),
        ("[]", "expected an object"),
        ({"x86_64": [DEBIAN, DEBIAN]}, "x86_64[1] repeats x86_64[0] (debian 6.1.0-38-amd64)"),
        ({"x86_64": [{**DEBIAN, "target": "slackware"}]}, "x86_64[0]: distribution: expected one"),
        ({"x86_64": [{**DEBIAN, "distroversion": "6"}]}, "x86_64[0]: distro_version: debian '6'"),
        ({"x86_64": [{**DEBIAN, "kernelrelease": "$(id)"}]}, "x86_64[0]: kernel_version: "),
    ],
)
def test_a_malformed_kernels_json_is_refused_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    path = write(tmp_path / "kernels.json", content)
    output = tmp_path / "m.json"
    assert run("--kernels", path, *VERSION, "-o", str(output)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"kmodbot matrix: {path}: ")
    assert message in error
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kernels", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["--crawler", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["--previous", "/nonexistent", "--driver", "hello"], "correct --previous"),
        (["--known-bad", "/nonexistent"], "correct --known-bad"),
        (["--driver-version", "main"], "--driver-version: expected two to four numbers"),
        (["--driver", "Hello"], "--driver: expected small letters"),
        (["--repository", "hello", "--driver", "hello"], "--repository: expected owner/name"),
        (["--repository", "acme/hello-driver"], "--driver: is needed"),
    ],
)
def test_a_wrong_argument_is_named(
    kernels: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run("--kernels", kernels, *VERSION, *words) == 2
    assert message in capsys.readouterr().err


def test_without_a_repository_the_driver_version_must_be_said(
    kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kernels", kernels) == 2
    assert "--driver-version: say which" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["{", {"held": 1}, {"held": {}, "wanted": {}}, [{"tag_name": "x"}], [1], 7]
)
def test_a_previous_file_of_another_kind_is_refused(
    tmp_path: Path, kernels: str, capsys: pytest.CaptureFixture[str], content: object
) -> None:
    path = write(tmp_path / "previous.json", content)
    assert run("--kernels", kernels, *VERSION, "--driver", "hello", "--previous", path) == 2
    assert f"{path}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ([], "expected an object with the keys"),
        ({"arm": []}, "expected an object with the keys"),
        ({"x86_64": {}}, "x86_64: expected a list"),
        ({"x86_64": [DEBIAN]}, "x86_64[0]: expected an object with"),
        ({"x86_64": [{**DEBIAN, "reason": " "}]}, "'reason' must be a text that is not empty"),
        ({"x86_64": [{**DEBIAN, "reason": "r", "more": 1}]}, "x86_64[0]: expected an object with"),
        ({"x86_64": [{**DEBIAN, "reason": "r", "distroversion": "6"}]}, "distro_version: "),
        ({"x86_64": [{**DEBIAN, "reason": "r"}] * 2}, "x86_64[1]: repeats an earlier entry"),
        ({"x86_64": [{**DEBIAN, "reason": "r", "driverversions": []}]}, "must be a list of"),
        ({"x86_64": [{**DEBIAN, "reason": "r", "driverversions": ["x"]}]}, "driver_version: "),
    ],
)
def test_a_malformed_list_of_known_bad_kernels_is_refused(
    tmp_path: Path, kernels: str, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    path = write(tmp_path / "bad.json", content)
    assert run("--kernels", kernels, *VERSION, "--known-bad", path) == 2
    error = capsys.readouterr().err
    assert f"{path}: " in error
    assert message in error
