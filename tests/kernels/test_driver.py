"""Drivers and the other names that come from outside."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from kmodbot.kernels import Driver, InvalidInput, parse_build_id, parse_repository

from .strategies import HOSTILE, driver_versions

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", ["hello", "hello-driver", "0", "a-1-b", "a" * 64])
def test_a_driver_name_is_a_plain_word(name: str) -> None:
    assert Driver.parse(name, "v0.1.0").name == name


@pytest.mark.parametrize("name", ["Hello", "-hello", "hello-", "a--b", "a_b", "a.b", "a" * 65])
def test_other_driver_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Driver.parse(name, "v0.1.0")
    assert refused.value.field == "driver"


@pytest.mark.parametrize(
    "version", ["v0.1.0", "0.1", "v1.2.3.4", "v1.0.0-rc.1", "1.0-BETA", "v2024.05.01"]
)
def test_a_driver_version_has_two_to_four_numbers(version: str) -> None:
    assert Driver.parse("hello", version).version == version


@pytest.mark.parametrize(
    "version",
    [
        "v1",
        "1.2.3.4.5",
        "V1.0",
        "v1.0.",
        "v1..0",
        "v1.0-",
        "v1.0-a..b",
        "v1.0+x",
        "main",
        "v1.0-a-b",
    ],
)
def test_other_driver_versions_are_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match=r"for example v0\.1\.0") as refused:
        Driver.parse("hello", version)
    assert refused.value.field == "driver_version"


def test_a_version_git_would_not_tag_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Driver.parse("hello", "v1.0-rc.lock")


@settings(max_examples=40, deadline=None)
@given(driver_versions)
def test_every_accepted_version_is_a_tag_git_takes(version: str) -> None:
    tag = f"refs/tags/{Driver.parse('hello', version).version}"
    subprocess.run(["git", "check-ref-format", tag], check=True)


@pytest.mark.parametrize("build_id", ["manual", "0000", "f" * 32, "a" * 64])
def test_a_build_id_is_a_plain_word(build_id: str) -> None:
    assert parse_build_id(build_id) == build_id


@pytest.mark.parametrize("repository", ["acme/hello-driver", "a/b", "Acme-1/.github", "a_b/c.d_e"])
def test_a_repository_has_an_owner_and_a_name(repository: str) -> None:
    assert parse_repository(repository) == repository


@pytest.mark.parametrize(
    "repository", ["hello", "a/b/c", "/b", "a/", "a/..", "a/.", "-a/b", "a b/c"]
)
def test_other_repositories_are_refused(repository: str) -> None:
    with pytest.raises(InvalidInput, match="repository: expected owner/name"):
        parse_repository(repository)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:20]))
@pytest.mark.parametrize(
    ("parse", "field"),
    [
        (lambda value: Driver.parse(value, "v0.1.0"), "driver"),
        (lambda value: Driver.parse("hello", value), "driver_version"),
        (lambda value: Driver.parse("hello", f"v0.1.0{value or chr(10)}"), "driver_version"),
        (parse_build_id, "build_id"),
        (lambda value: parse_build_id(f"manual{value or chr(10)}"), "build_id"),
        (parse_repository, "repository"),
        (lambda value: parse_repository(f"acme/hello{value or chr(10)}"), "repository"),
    ],
)
def test_a_hostile_name_is_refused(parse: Callable[[str], object], field: str, value: str) -> None:
    if (field, value) in HARMLESS:
        return
    with pytest.raises(InvalidInput) as refused:
        parse(value)
    assert refused.value.field == field
    assert len(str(refused.value)) < 400


#: Hostile elsewhere, but a good ending of a repository's name.
HARMLESS = {("repository", value) for value in ("..", ".", "-", "--help")}
