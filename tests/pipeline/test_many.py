"""Several kernels in one job, and the packages of many jobs published in one go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.kernels import Driver
from kmodbot.pipeline import many
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.github import GitHub
from kmodbot.pipeline.inputs import asks_for_several, read_requests
from kmodbot.pipeline.many import build_all, publish_all
from kmodbot.pipeline.matrix import Matrix, package_path, read_matrix

from .conftest import build_request, written
from .releases import Failure, Releases
from .test_inputs import GOOD
from .test_main import run

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log

KERNELS = ["6.1.0-9-amd64", "6.1.0-38-amd64", "6.12.57+deb12-amd64"]
TAG = "v0.1.0-debian-12-x86_64"
SEVERAL = {**GOOD, "KERNEL_VERSION": "", "KERNEL_VERSIONS": json.dumps(KERNELS)}


def package(release: str) -> str:
    return f"hello-debian-{release}_v0.1.0_amd64.deb"


def matrix_file(path: Path, **changes: Any) -> Path:
    """Write what the matrix command writes, as far as the builder reads it."""
    job = {
        "name": "v0.1.0 debian 12 x86_64 1",
        "driver_version": "v0.1.0",
        "distribution": "debian",
        "distro_version": "12",
        "architecture": "x86_64",
        "kernels": KERNELS,
        **changes,
    }
    path.write_text(json.dumps({"driver": "hello", "chunks": [[job]]}), encoding="utf-8")
    return path


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    return read_matrix(matrix_file(tmp_path / "matrix.json"))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    directory = tmp_path / "packages"
    (directory / TAG).mkdir(parents=True)
    for release in KERNELS:
        (directory / TAG / package(release)).write_bytes(release.encode())
    return directory


@pytest.fixture
def github(releases: Releases) -> GitHub:
    return GitHub(f"{releases.address}/api/v3", "acme/hello-driver", "ghs_secret")


class Building:
    """Stands in for real builds: writes an empty package, or fails as told."""

    def __init__(self, *failing: str) -> None:
        self._failing = failing

    def __call__(self, request: Request, _: Path, output: Path, *__: object) -> Path:
        if request.kernel.release in self._failing:
            raise BuildError("no headers for it")
        output.mkdir(parents=True, exist_ok=True)
        path = output / package(request.kernel.release)
        path.touch()
        return path


def test_one_kernel_that_fails_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr(many, "build", Building(KERNELS[1]))
    with pytest.raises(BuildError, match=r"^1 of 3 builds failed: 6\.1\.0-38-amd64$"):
        build_all(read_requests(SEVERAL), tmp_path, tmp_path / "out", tmp_path, log)
    found = sorted(path.name for path in (tmp_path / "out" / TAG).iterdir())
    assert found == sorted(map(package, [KERNELS[0], KERNELS[2]]))
    assert "6.1.0-38-amd64: no headers for it" in written(log)


def test_packages_lie_where_publishing_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr(many, "build", Building())
    build_all(read_requests(SEVERAL), tmp_path, tmp_path, tmp_path, log)
    for request in read_requests(SEVERAL):
        driver = Driver("hello", request.driver_version)
        assert (tmp_path / package_path(driver, request.kernel)).is_file()


def test_packages_of_one_release_for_two_versions_keep_apart() -> None:
    one = build_request("6.12.57+deb12-amd64")
    driver = Driver("hello", "v0.1.0")
    assert package_path(driver, one.kernel) == f"{TAG}/{package('6.12.57+deb12-amd64')}"


@pytest.mark.parametrize(
    "text",
    ["6.1.0-38-amd64", "{}", "[]", "[1]", '["6.1.0-38-amd64", "6.1.0-38-amd64"]'],
)
def test_a_list_of_kernels_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^KERNEL_VERSIONS: "):
        read_requests({**SEVERAL, "KERNEL_VERSIONS": text})


def test_every_kernel_of_the_list_is_validated() -> None:
    with pytest.raises(BadInput, match=r"^KERNEL_VERSIONS: .*id"):
        read_requests({**SEVERAL, "KERNEL_VERSIONS": '["6.1.0-38-amd64", "$(id)"]'})


def test_one_kernel_and_several_at_once_are_refused() -> None:
    assert asks_for_several(SEVERAL)
    assert not asks_for_several(GOOD)
    with pytest.raises(BadInput, match="not both"):
        asks_for_several({**SEVERAL, "KERNEL_VERSION": KERNELS[0]})


def test_the_command_builds_several(tmp_path: Path) -> None:
    words = ("build", "--source", str(tmp_path), "--output", str(tmp_path / "out"))
    done = run(*words, KERNEL_VERSION="", KERNEL_VERSIONS=json.dumps(KERNELS))
    assert done.returncode == 1
    assert done.stderr.count("driver.yml: not found") == 3
    assert "3 of 3 builds failed" in done.stderr.splitlines()[-1]


def test_all_packages_are_published(
    github: GitHub, releases: Releases, packages: Path, matrix: Matrix, log: Log
) -> None:
    waits: list[float] = []
    publish_all(github, packages, matrix, log, waits.append)
    assert [asset["name"] for asset in releases.assets(TAG)] == list(map(package, KERNELS))
    # One after the other, a second apart.
    assert waits == [1.0, 1.0]
    assert f"{TAG}: 3 of 3 published" in written(log)


def test_publishing_again_changes_nothing(
    github: GitHub, releases: Releases, packages: Path, matrix: Matrix, log: Log
) -> None:
    for _ in range(2):
        publish_all(github, packages, matrix, log, lambda _: None)
    assert len(releases.assets(TAG)) == 3


def test_builds_without_a_package_are_listed(
    github: GitHub, packages: Path, matrix: Matrix, log: Log
) -> None:
    (packages / TAG / package(KERNELS[0])).unlink()
    publish_all(github, packages, matrix, log, lambda _: None)
    assert f"{TAG}: 2 of 3 published" in log.notes
    assert f"not built: {TAG}/{package(KERNELS[0])}" in log.notes


def test_a_night_without_any_package_publishes_nothing(
    github: GitHub, tmp_path: Path, matrix: Matrix, log: Log
) -> None:
    publish_all(github, tmp_path / "nothing", matrix, log)
    assert f"{TAG}: 0 of 3 published" in log.notes


def test_a_package_nobody_asked_for_stops_everything(
    github: GitHub, releases: Releases, packages: Path, matrix: Matrix, log: Log
) -> None:
    (packages / TAG / "evil.deb").touch()
    with pytest.raises(BadInput, match=r"evil\.deb is not of this matrix; nothing was published"):
        publish_all(github, packages, matrix, log)
    assert releases.requests == []


def test_one_package_that_differs_does_not_hold_back_the_others(
    github: GitHub, releases: Releases, packages: Path, matrix: Matrix, log: Log
) -> None:
    releases.add_release(TAG)
    releases.add_asset(TAG, package(KERNELS[0]), b"of another build")
    with pytest.raises(BuildError, match="1 of 3 packages were not published; run this job again"):
        publish_all(github, packages, matrix, log, lambda _: None)
    assert len(releases.assets(TAG)) == 3
    assert "has other bytes" in written(log)


def test_a_token_that_expired_is_not_tried_for_ever(
    github: GitHub, releases: Releases, tmp_path: Path, packages: Path, log: Log
) -> None:
    kernels = [f"6.1.0-{number}-amd64" for number in range(1, 9)]
    for release in kernels:
        (packages / TAG / package(release)).touch()
    matrix = read_matrix(
        matrix_file(tmp_path / "more.json", kernels=[*KERNELS[1:], *kernels, KERNELS[0]])
    )
    releases.failures = [Failure("GET", TAG, 401) for _ in range(20)]
    with pytest.raises(BuildError, match="of 11 packages were not published"):
        publish_all(github, packages, matrix, log, lambda _: None)
    assert len(releases.requests) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not what kmodbot matrix -o writes"),
        ('{"driver": "hello"}', "not what kmodbot matrix -o writes"),
        ('{"driver": null, "chunks": []}', "not what kmodbot matrix -o writes"),
        ('{"driver": "Hello", "chunks": []}', "driver: expected"),
        ('{"driver": "hello", "chunks": [[{}]]}', "not what kmodbot matrix -o writes"),
    ],
)
def test_a_matrix_of_another_shape_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "matrix.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        read_matrix(path)


@pytest.mark.parametrize(
    "changes", [{"kernels": ["$(id)"]}, {"distro_version": "13"}, {"driver_version": "main"}]
)
def test_the_builds_of_a_matrix_are_validated_once_more(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match="--matrix"):
        read_matrix(matrix_file(tmp_path / "matrix.json", **changes))
