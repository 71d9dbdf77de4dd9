"""The command line: help, exit status, errors that name what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .conftest import HELLO
from .test_inputs import GOOD

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **GOOD, **variables}
    return subprocess.run(
        [sys.executable, "-m", "kmodbot.pipeline", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "mentioned"),
    [
        ([], ["build", "publish", "KERNEL_VERSION", "BUILD_ID", "exit status"]),
        (["build"], ["--source", "--output", "--cache", "KMODBOT_DEBIAN_MIRROR", "exit status"]),
        (["publish"], ["--packages", "GITHUB_TOKEN", "GITHUB_API_URL", "exit status"]),
    ],
)
def test_help_is_complete(words: list[str], mentioned: list[str]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in mentioned)


def test_a_wrong_input_ends_with_status_2_and_its_name(tmp_path: Path) -> None:
    done = run("build", "--source", str(HELLO), "--output", str(tmp_path), ARCHITECTURE="sparc")
    assert done.returncode == 2
    assert done.stdout.startswith("error: ARCHITECTURE: ")
    assert done.stderr == ""


def test_check_repeats_what_was_asked_for() -> None:
    done = run("check")
    assert done.returncode == 0
    assert done.stdout.endswith("v0.1.0 for debian 12 x86_64 6.1.0-38-amd64\n")


def test_check_names_a_wrong_input() -> None:
    done = run("check", KERNEL_VERSION="6.1.0-38-amd64; reboot")
    assert done.returncode == 2
    assert done.stdout.startswith("error: KERNEL_VERSION: ")


def test_a_source_without_driver_yml_is_refused(tmp_path: Path) -> None:
    done = run("build", "--source", str(tmp_path), "--output", str(tmp_path))
    assert done.returncode == 2
    assert "driver.yml: not found" in done.stdout


def test_publish_without_a_token_is_refused(tmp_path: Path) -> None:
    done = run("publish", "--packages", str(tmp_path), GITHUB_REPOSITORY="acme/hello-driver")
    assert done.returncode == 2
    assert "GITHUB_TOKEN: is not set" in done.stdout


def test_headers_that_cannot_be_had_end_with_status_1_and_the_table(tmp_path: Path) -> None:
    nowhere = f"file://{tmp_path}/nowhere"
    kinds = ("MIRROR", "SECURITY_MIRROR", "SNAPSHOT_MIRROR")
    mirrors = {f"KMODBOT_DEBIAN_{kind}": nowhere for kind in kinds}
    words = ["--source", str(HELLO), "--output", str(tmp_path), "--cache", str(tmp_path / "c")]
    done = run("build", *words, **mirrors)
    assert done.returncode == 1
    assert "1. Debian suites: lists cannot be read" in done.stdout
    assert "2. Debian backports: lists cannot be read" in done.stdout
    assert "phase            seconds\n          headers " in done.stdout
