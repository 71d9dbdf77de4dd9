"""How the four values of a kernel must fit together."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.kernels import SUPPORTED, InvalidInput, Kernel, parse_architecture

from .strategies import HOSTILE, kernels

GOOD = {
    "distribution": "debian",
    "distro_version": "12",
    "architecture": "x86_64",
    "release": "6.1.0-38-amd64",
}


def _refusal(**changes: str | None) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        Kernel.parse(**{**GOOD, **changes})  # type: ignore[arg-type]  # None is put where allowed
    return refused.value


@pytest.mark.parametrize("spelling", ["x86_64", "amd64"])
def test_both_spellings_of_an_architecture_give_one_kernel(spelling: str) -> None:
    kernel = Kernel.parse(**{**GOOD, "architecture": spelling})
    assert kernel == Kernel("debian", "12", "x86_64", "6.1.0-38-amd64")


def test_a_tagged_release_needs_no_distro_version() -> None:
    kernel = Kernel.parse(
        distribution="amazonlinux",
        architecture="aarch64",
        release="6.12.46-66.121.amzn2023.aarch64",
    )
    assert kernel.distro_version == "2023"


def test_an_ambiguous_release_asks_for_the_distro_version() -> None:
    error = _refusal(distribution="ubuntu", release="6.8.0-63-generic", distro_version=None)
    assert error.field == "distro_version"
    assert "22.04 or 24.04; say which" in error.message


def test_a_release_that_says_nothing_asks_for_the_distro_version() -> None:
    error = _refusal(release="6.12.9+bpo-amd64", distro_version=None)
    assert error.field == "distro_version"
    assert "say which" in error.message


def test_an_ambiguous_release_is_accepted_with_its_distro_version() -> None:
    for version in ("22.04", "24.04"):
        kernel = Kernel.parse(
            distribution="ubuntu",
            distro_version=version,
            architecture="amd64",
            release="6.8.0-63-generic",
        )
        assert kernel.distro_version == version


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"distribution": "rocky"}, "distribution", "Rocky Linux is not supported"),
        ({"distribution": "Debian"}, "distribution", "ubuntu, debian, fedora, centos, amazonlinux"),
        ({"architecture": "sparc"}, "architecture", "expected x86_64 (amd64) or aarch64 (arm64)"),
        ({"architecture": "aarch64"}, "architecture", "6.1.0-38-amd64 is of x86_64"),
        ({"distro_version": "11"}, "distro_version", "expected one of 12, 13"),
        ({"release": "6.12.57+deb13-amd64"}, "distro_version", "is of debian 13, not '12'"),
        ({"release": "6.17.13+deb14-amd64"}, "distro_version", "is of debian 14, not '12'"),
        ({"release": "6.8.0-63-generic"}, "kernel_version", "looks like ubuntu"),
    ],
)
def test_the_wrong_value_is_named(changes: dict[str, str], field: str, said: str) -> None:
    error = _refusal(**changes)
    assert error.field == field
    assert said in error.message
    assert str(error) == f"{field}: {error.message}"


@pytest.mark.parametrize("flavour", ["generic-64k", "aws-64k", "raspi"])
def test_a_flavour_made_for_arm_contradicts_x86_64(flavour: str) -> None:
    error = _refusal(distribution="ubuntu", distro_version="24.04", release=f"6.8.0-63-{flavour}")
    assert error.field == "architecture"


def test_an_unsupported_version_found_in_the_release_is_said_plainly() -> None:
    error = _refusal(
        distribution="amazonlinux", distro_version=None, release="4.14.173-137.229.amzn2.x86_64"
    )
    assert str(error) == ("distro_version: amazonlinux '2' is not supported; expected one of 2023")


@pytest.mark.parametrize("field", sorted(GOOD))
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:20]))
def test_a_hostile_value_is_refused_in_every_field(field: str, value: str) -> None:
    error = _refusal(**{field: value})
    assert error.field == {"release": "kernel_version"}.get(field, field)
    assert len(str(error)) < 400
    assert str(error).isascii()
    assert str(error).isprintable()


@pytest.mark.parametrize("field", sorted(GOOD))
@pytest.mark.parametrize("addition", ["\n", " ", "\x00", "\r\n", ";", "/..", "\u200b", "٣"])
def test_a_good_value_with_something_after_it_is_refused(field: str, addition: str) -> None:
    _refusal(**{field: GOOD[field] + addition})
    _refusal(**{field: addition + GOOD[field]})


@given(st.sampled_from(sorted(SUPPORTED)), st.text(max_size=100))
def test_whatever_passes_as_a_release_is_a_plain_word(distribution: str, release: str) -> None:
    try:
        kernel = Kernel.parse(
            distribution=distribution,
            distro_version=SUPPORTED[distribution][0],
            architecture="x86_64",
            release=release,
        )
    except InvalidInput:
        return
    assert set(kernel.release) <= set("abcdefghijklmnopqrstuvwxyz0123456789._+-")


@given(kernels)
def test_a_kernel_is_parsed_to_itself(kernel: Kernel) -> None:
    again = Kernel.parse(
        distribution=kernel.distribution,
        distro_version=kernel.distro_version,
        architecture=kernel.architecture,
        release=kernel.release,
    )
    assert again == kernel


def test_a_refusal_survives_pickling() -> None:
    error = _refusal(architecture="sparc")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - bytes made on the line itself
    assert (str(copy), copy.field) == (str(error), "architecture")


def test_an_architecture_is_not_guessed() -> None:
    for value in ("X86_64", "x86-64", "i686", "armv7l", ""):
        with pytest.raises(InvalidInput, match="architecture: expected"):
            parse_architecture(value)
