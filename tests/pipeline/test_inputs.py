"""The inputs come from the environment and are validated once more."""

from __future__ import annotations

import pytest

from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.inputs import read_request, read_target

GOOD = {
    "KERNEL_VERSION": "6.1.0-38-amd64",
    "ARCHITECTURE": "x86_64",
    "DISTRIBUTION": "debian",
    "DISTRO_VERSION": "12",
    "DRIVER_VERSION": "v0.1.0",
    "BUILD_ID": "0123456789abcdef",
}
TARGET = {"GITHUB_TOKEN": "ghs_secret", "GITHUB_REPOSITORY": "acme/hello-driver"}


def test_a_request_is_read_from_the_environment() -> None:
    request = read_request(GOOD)
    assert request.kernel.release == "6.1.0-38-amd64"
    assert (request.driver_version, request.build_id) == ("v0.1.0", "0123456789abcdef")


def test_a_run_started_by_hand_needs_no_build_id() -> None:
    assert read_request({**GOOD, "BUILD_ID": ""}).build_id == "manual"


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"BUILD_ID"}))
def test_a_missing_input_is_named(name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: is not set"):
        read_request({**GOOD, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KERNEL_VERSION", "6.1.0-38-amd64; reboot"),
        ("KERNEL_VERSION", "../../etc/passwd"),
        ("KERNEL_VERSION", "6.1.0-38-amd64\n"),
        ("ARCHITECTURE", "riscv64"),
        ("ARCHITECTURE", "aarch64"),
        ("DISTRIBUTION", "slackware"),
        ("DISTRO_VERSION", "7"),
        ("DRIVER_VERSION", "$(id)"),
        ("DRIVER_VERSION", "main"),
        ("BUILD_ID", "../x"),
    ],
)
def test_a_hostile_or_wrong_input_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: ") as caught:
        read_request({**GOOD, name: value})
    assert caught.value.exit_status == 2


def test_a_driver_name_that_is_no_name_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^driver\.yml: name: "):
        read_request(GOOD).driver("Hello World")


def test_the_target_defaults_to_github_com() -> None:
    assert read_target(TARGET).api_url == "https://api.github.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_TOKEN", ""),
        ("GITHUB_TOKEN", "ghs_\r\nX-Evil: 1"),
        ("GITHUB_REPOSITORY", "acme"),
        ("GITHUB_API_URL", "file:///etc"),
        ("GITHUB_API_URL", "https://user:password@example.com"),
    ],
)
def test_a_wrong_target_is_refused_by_name_without_showing_secrets(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: ") as caught:
        read_target({**TARGET, name: value})
    assert "ghs_" not in str(caught.value)
    assert "password" not in str(caught.value)


def test_the_token_is_not_shown_by_repr() -> None:
    assert "ghs_secret" not in repr(read_target(TARGET))
