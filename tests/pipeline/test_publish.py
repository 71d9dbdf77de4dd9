"""A package is published exactly once, whatever goes wrong in between."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.github import GitHub
from kmodbot.pipeline.publish import Published, find_package, publish_package

from .conftest import build_request, written
from .releases import Failure, Releases

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

NAME = "hello-debian-6.12.38+deb12-amd64_v0.1.0_amd64.deb"
TAG = "v0.1.0-debian-12-x86_64"
TOKEN = "ghs_a-secret.token_of-this-run"
CONTENT = b"a package"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REQUEST = build_request("6.12.38+deb12-amd64")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    return path


class Publish:
    """Publishes the package without really waiting."""

    def __init__(self, releases: Releases, package: Path, log: Log) -> None:
        self.github = GitHub(f"{releases.address}/api/v3/", "acme/hello-driver", TOKEN)
        self.package = package
        self.log = log
        self.waits: list[float] = []

    def __call__(self) -> Published:
        return publish_package(self.github, self.package, REQUEST, self.log, self.waits.append)


@pytest.fixture
def publish(releases: Releases, package: Path, log: Log) -> Publish:
    return Publish(releases, package, log)


def test_the_first_package_creates_the_release(releases: Releases, publish: Publish) -> None:
    published = publish()
    assert (published.name, published.tag, published.sha256) == (NAME, TAG, SHA256)
    assert published.url.endswith(f"/{TAG}/{NAME}")
    assert releases.releases[TAG]["make_latest"] == "false"
    assert [asset["name"] for asset in releases.assets(TAG)] == [NAME]


def test_a_later_package_joins_the_release(releases: Releases, publish: Publish) -> None:
    releases.add_release(TAG)
    releases.add_asset(TAG, "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb", b"another")
    publish()
    assert len(releases.assets(TAG)) == 2
    assert len(releases.releases) == 1


def test_publishing_twice_uploads_once(releases: Releases, publish: Publish) -> None:
    first, second = publish(), publish()
    assert first == second
    assert sum("/uploads/" in path for _, path in releases.requests) == 1


def test_other_bytes_under_the_same_name_are_never_replaced(
    releases: Releases, publish: Publish
) -> None:
    releases.add_release(TAG)
    releases.add_asset(TAG, NAME, b"published before")
    with pytest.raises(
        BuildError, match=r"has other bytes .* never replaced: .* new driver version"
    ):
        publish()
    assert releases.assets(TAG)[0]["size"] == len(b"published before")


def test_a_half_finished_upload_is_replaced(releases: Releases, publish: Publish) -> None:
    releases.add_release(TAG)
    releases.add_asset(TAG, NAME, b"", state="starter")
    publish()
    (asset,) = releases.assets(TAG)
    assert asset["state"] == "uploaded"
    assert "removing a half-finished upload" in written(publish.log)


@pytest.mark.parametrize("status", [0, 500, 502])
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", TAG), ("POST", "/releases"), ("POST", "/assets")]
)
def test_a_failure_before_or_after_any_step_still_publishes_once(
    releases: Releases, publish: Publish, method: str, path: str, applied: bool, status: int
) -> None:
    releases.failures.append(Failure(method, path, status, applied=applied))
    assert publish().sha256 == SHA256
    assert len(releases.releases) == 1
    assert [asset["name"] for asset in releases.assets(TAG)] == [NAME]
    assert len(publish.waits) == 1


def test_a_release_made_by_another_build_meanwhile_is_used(
    releases: Releases, publish: Publish
) -> None:
    releases.add_release(TAG)
    releases.failures.append(Failure("GET", TAG, 404))
    publish()
    assert "is being made by another build" in written(publish.log)
    assert len(releases.assets(TAG)) == 1


def test_an_asset_uploaded_meanwhile_by_another_build_is_compared(
    releases: Releases, publish: Publish
) -> None:
    releases.add_release(TAG)
    for number in range(150):
        releases.add_asset(TAG, f"other-{number}", b"x")
    releases.add_asset(TAG, NAME, CONTENT)
    with_assets = releases.releases[TAG]["assets"]
    answer = releases.answer

    def late(method: str, target: str, body: bytes) -> tuple[int, object]:
        """Show the release as it was before the other build's upload."""
        status, content = answer(method, target, body)
        if "/tags/" in target:
            return status, {**content, "assets": []}
        return status, content

    releases.answer = late  # type: ignore[method-assign]
    assert publish().sha256 == SHA256
    assert releases.releases[TAG]["assets"] == with_assets


def test_a_secondary_limit_is_waited_for_as_long_as_github_asks(
    releases: Releases, publish: Publish
) -> None:
    releases.failures.append(Failure("POST", "/assets", 403, {"Retry-After": "7"}))
    publish()
    assert publish.waits == [7.0]


@pytest.mark.parametrize(
    "failure",
    [
        Failure("GET", TAG, 429),
        Failure("GET", TAG, 403, message="You have exceeded a secondary rate limit."),
    ],
)
def test_a_limit_without_a_time_is_waited_for_a_minute(
    releases: Releases, publish: Publish, failure: Failure
) -> None:
    releases.failures.append(failure)
    publish()
    assert publish.waits == [60.0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "3600"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"},
    ],
)
def test_a_limit_longer_than_a_job_fails_and_says_so(
    releases: Releases, publish: Publish, headers: dict[str, str]
) -> None:
    releases.failures.append(Failure("GET", TAG, 403, headers))
    with pytest.raises(BuildError, match="longer than a job should; run it again later"):
        publish()
    assert publish.waits == []


def test_a_server_that_stays_broken_is_given_up(releases: Releases, publish: Publish) -> None:
    releases.failures += [Failure("GET", TAG, 503) for _ in range(9)]
    with pytest.raises(BuildError, match=r"not published in 6 tries; last: GET .* answered 503"):
        publish()
    assert len(publish.waits) == 5
    assert publish.waits[-1] > publish.waits[0]


@pytest.mark.parametrize(
    ("status", "path", "message"),
    [
        (401, TAG, "the permission contents: write on acme/hello-driver"),
        (403, "/releases", "the permission contents: write on acme/hello-driver"),
        (404, "/releases", r"GITHUB_REPOSITORY \(acme/hello-driver\) does not exist"),
        (301, TAG, "GitHub answered 301"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_shows_the_token(
    releases: Releases, publish: Publish, status: int, path: str, message: str
) -> None:
    method = "GET" if path == TAG else "POST"
    elsewhere = {"Location": f"{releases.address}/elsewhere"}
    releases.failures.append(Failure(method, path, status, elsewhere))
    with pytest.raises(BuildError, match=message) as caught:
        publish()
    assert publish.waits == []
    assert TOKEN not in f"{caught.value}{written(publish.log)}{publish.github!r}"
    assert not any("elsewhere" in target for _, target in releases.requests)


def test_a_full_release_is_explained(releases: Releases, publish: Publish) -> None:
    releases.add_release(TAG)
    for number in range(1000):
        releases.add_asset(TAG, f"other-{number}", b"x")
    with pytest.raises(BuildError, match="a release holds at most 1000 assets"):
        publish()


def test_a_name_that_github_changed_is_taken_back(
    releases: Releases, publish: Publish, tmp_path: Path
) -> None:
    releases.add_release(TAG)
    uploaded = releases.add_asset
    releases.add_asset = lambda tag, name, *rest: uploaded(  # type: ignore[method-assign]
        tag, name.replace("+", "."), *rest
    )
    with pytest.raises(BuildError, match=r"GitHub renamed hello-.*; nobody would find it"):
        publish()
    assert releases.assets(TAG) == []


def test_without_digests_an_upload_succeeds_but_an_older_asset_cannot_be_trusted(
    releases: Releases, publish: Publish
) -> None:
    releases.hide_digests = True
    assert publish().sha256 == SHA256
    with pytest.raises(BuildError, match="gives no digest"):
        publish()


def test_requests_say_which_api_and_who(releases: Releases, publish: Publish) -> None:
    publish()
    for headers in releases.headers:
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["X-Github-Api-Version"] == "2022-11-28"
        assert headers["User-Agent"].startswith("kmodbot")
    assert (
        "POST",
        f"/api/uploads/repos/acme/hello-driver/releases/1/assets?name={NAME}".replace("+", "%2B"),
    ) in releases.requests


def test_the_one_package_of_the_build_is_found(package: Path) -> None:
    (package.parent / "notes.txt").touch()
    assert find_package(package.parent, REQUEST) == package


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "found none"),
        ([NAME, "another.deb"], "expected one package"),
        (["hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"], "is not of this build, expected hello-"),
        (["something.deb"], "is not of this build, expected NAME-debian-"),
        ([NAME.replace("v0.1.0", "v0.2.0")], "is not of this build"),
        ([NAME.replace("hello", "Hello World")], "is not of this build"),
    ],
)
def test_anything_but_the_package_of_the_build_is_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=message):
        find_package(tmp_path, REQUEST)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run build first"):
        find_package(tmp_path / "packages", REQUEST)
