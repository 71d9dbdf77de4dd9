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


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the builder's default cache out of the home of whoever tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return start(sys.executable, "-m", "kmodbot.pipeline", *words, **variables)


def start(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    environment = {**kept, **GOOD, **variables}
    return subprocess.run(
        command,
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
        (["name"], ["--source", "exit status"]),
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
    assert done.stderr.startswith("error: ARCHITECTURE: ")
    assert done.stdout == ""


def test_on_actions_an_error_is_a_command_on_standard_output(tmp_path: Path) -> None:
    words = ["--source", str(HELLO), "--output", str(tmp_path)]
    done = run("build", *words, ARCHITECTURE="sparc", GITHUB_ACTIONS="true")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("::error::ARCHITECTURE: ")


def test_check_repeats_what_was_asked_for() -> None:
    done = run("check")
    assert done.returncode == 0
    assert done.stdout.endswith("v0.1.0 for debian 12 x86_64 6.1.0-38-amd64\n")


def test_check_names_a_wrong_input() -> None:
    done = run("check", KERNEL_VERSION="6.1.0-38-amd64; reboot")
    assert done.returncode == 2
    assert done.stderr.startswith("error: KERNEL_VERSION: ")


def test_the_name_of_the_driver_is_printed_and_nothing_else() -> None:
    done = run("name", "--source", str(HELLO))
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


def test_an_error_does_not_stand_where_a_script_reads_the_name(tmp_path: Path) -> None:
    done = run("name", "--source", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: driver.yml: not found")


def test_settings_that_come_together_count_in_a_build(tmp_path: Path) -> None:
    words = ["--source", str(HELLO), "--output", str(tmp_path), "--cache", str(tmp_path / "c")]
    done = run("build", *words, KMODBOT_ENV="KMODBOT_DEBIAN_MIRROR=ftp://nowhere")
    assert done.returncode == 2
    assert "KMODBOT_DEBIAN_MIRROR: expected an address" in done.stderr


def test_a_source_without_driver_yml_is_refused(tmp_path: Path) -> None:
    done = run("build", "--source", str(tmp_path), "--output", str(tmp_path))
    assert done.returncode == 2
    assert "driver.yml: not found" in done.stderr
    assert "a tag that is built has to contain it" in done.stderr


@pytest.mark.parametrize("command", ["build", "name"])
def test_a_source_that_is_not_there_is_named(tmp_path: Path, command: str) -> None:
    output = ["--output", str(tmp_path)] if command == "build" else []
    done = run(command, "--source", str(tmp_path / "nowhere"), *output)
    assert done.returncode == 2
    assert done.stderr == f"error: --source: {tmp_path}/nowhere is not a directory\n"


@pytest.mark.parametrize("option", ["--output", "--cache"])
@pytest.mark.parametrize(
    ("place", "said"), [("file", "is not a directory"), ("file/below", "cannot be made: Not a dir")]
)
def test_a_place_that_cannot_be_written_to_is_named_before_anything_is_done(
    tmp_path: Path, option: str, place: str, said: str
) -> None:
    (tmp_path / "file").touch()
    places = {"--output": tmp_path / "o", "--cache": tmp_path / "c", option: tmp_path / place}
    words = [str(word) for pair in places.items() for word in pair]
    done = run("build", "--source", str(HELLO), *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {option}: {tmp_path / place} {said}")


def test_an_error_of_the_system_is_one_line(tmp_path: Path) -> None:
    words = ["--source", str(HELLO), "--output", str(tmp_path), "--cache", str(tmp_path / "c")]
    # As on a disk that is full.
    full = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash"]
    done = start(*full, sys.executable, "-m", "kmodbot.pipeline", "build", *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: No usable temporary directory")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "build"])
@pytest.mark.parametrize(
    ("name", "value"), [("KMODBOT_DOWNLOAD_TRIES", "0"), ("KMODBOT_DOWNLOAD_WINDOW", "abc")]
)
def test_a_setting_that_is_wrong_is_named_at_the_start(
    tmp_path: Path, command: str, name: str, value: str
) -> None:
    words = ["--source", str(HELLO), "--output", str(tmp_path)] if command == "build" else []
    done = run(command, *words, **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {name}: ")


def test_publish_without_a_token_is_refused(tmp_path: Path) -> None:
    done = run("publish", "--packages", str(tmp_path), GITHUB_REPOSITORY="acme/hello-driver")
    assert done.returncode == 2
    assert "GITHUB_TOKEN: is not set" in done.stderr


def test_headers_that_cannot_be_had_end_with_status_1_and_the_table(tmp_path: Path) -> None:
    nowhere = f"file://{tmp_path}/nowhere"
    kinds = ("MIRROR", "SECURITY_MIRROR", "SNAPSHOT_MIRROR")
    mirrors = {f"KMODBOT_DEBIAN_{kind}": nowhere for kind in kinds}
    words = ["--source", str(HELLO), "--output", str(tmp_path), "--cache", str(tmp_path / "c")]
    done = run("build", *words, **mirrors)
    assert done.returncode == 1
    assert "1. Debian suites: lists cannot be read" in done.stderr
    assert "2. Debian backports: lists cannot be read" in done.stderr
    assert "phase            seconds\n          headers " in done.stdout
