"""The workflow that builds the images, its steps run with a docker that only notes its words."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodbot.kernels import SUPPORTED

FILES = Path(__file__).parents[2] / "kmodbot/pipeline/files"
TEXT = (FILES / "workflows/base-images.yml").read_text(encoding="utf-8")
TABLE = json.loads((FILES / "images.json").read_text(encoding="utf-8"))
WORKFLOW: Any = yaml.safe_load(TEXT)
# YAML 1.1 reads the key `on` as true.
TRIGGERS: Any = WORKFLOW[True]
BASE, CUSTOM = "sha256:" + "b" * 64, "sha256:" + "c" * 64
#: Notes its words and, as the real one does, writes the digest of what it pushed.
DOCKER = f"""#!/bin/bash
echo "$@" >> "$NOTES"
while [ $# -gt 0 ]; do
    case $1 in
        Dockerfile.base.*) digest={BASE} ;;
        Dockerfile.*) digest={CUSTOM} ;;
        --metadata-file) echo '{{"containerimage.digest": "'$digest'"}}' > "$2" ;;
    esac
    shift
done
"""


def step(title: str) -> str:
    steps = [one for job in WORKFLOW["jobs"].values() for one in job["steps"]]
    (script,) = {one["run"] for one in steps if one["name"] == title}
    return str(script)


class Runner:
    """A machine of Actions with the checkout, on which steps run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.notes = directory / "notes"
        programs = directory / "programs"
        programs.mkdir()
        (programs / "docker").write_text(DOCKER)
        (programs / "docker").chmod(0o755)
        images = directory / ".github/kmodbot/images"
        images.mkdir(parents=True)
        (images / "images.json").write_text(json.dumps(TABLE))
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "NOTES": str(self.notes),
            "REGISTRY": WORKFLOW["env"]["REGISTRY"],
            "GITHUB_OUTPUT": str(directory / "output"),
            "GITHUB_STEP_SUMMARY": str(directory / "summary"),
            "GITHUB_WORKSPACE": str(directory),
            "GITHUB_REPOSITORY_OWNER": "Acme",
            "GITHUB_REPOSITORY": "Acme/hello-driver",
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(directory),
        }

    def run(self, title: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a step as Actions does and return how it ended."""
        return subprocess.run(
            ["bash", "-e", "-c", step(title)],
            cwd=self.directory,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def push(self, **variables: str) -> str:
        """Build and push one image; return the words of docker, an invocation a line."""
        row = {"DISTRIBUTION": "ubuntu", "VERSION": "22.04", "ARCHITECTURE": "amd64"}
        row |= {"BASE": "docker.io/library/ubuntu:22.04", "COMPILERS": "gcc-11 gcc-12"}
        done = self.run("Build and push the image", **row, **variables)
        assert done.returncode == 0, done.stderr
        return self.notes.read_text()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_it_runs_every_monday_and_by_hand_for_one_distribution_or_all() -> None:
    assert TRIGGERS["schedule"] == [{"cron": "0 2 * * 1"}]
    choice = TRIGGERS["workflow_dispatch"]["inputs"]["distribution"]
    assert choice["options"] == ["all", *SUPPORTED]
    assert choice["default"] == "all"


def test_only_the_jobs_that_push_may_write_packages() -> None:
    assert WORKFLOW["permissions"] == {}
    permissions = {name: job["permissions"] for name, job in WORKFLOW["jobs"].items()}
    assert permissions == {
        "plan": {"contents": "read"},
        "build": {"contents": "read", "packages": "write"},
        "tag": {"packages": "write"},
    }


def test_both_architectures_are_built_on_machines_of_their_own_kind() -> None:
    build = WORKFLOW["jobs"]["build"]
    assert build["strategy"]["matrix"]["architecture"] == ["amd64", "arm64"]
    assert build["runs-on"] == (
        "${{ matrix.architecture == 'arm64' && 'ubuntu-24.04-arm' || 'ubuntu-24.04' }}"
    )


def test_an_image_that_fails_does_not_hold_the_others_back() -> None:
    jobs = WORKFLOW["jobs"]
    assert all(jobs[name]["strategy"]["fail-fast"] is False for name in ("build", "tag"))
    assert "!cancelled()" in jobs["tag"]["if"]


def test_actions_are_pinned_and_say_their_version() -> None:
    for use in re.findall(r"uses: (.*)", TEXT):
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", use)
    assert "${{" not in "".join(
        one.get("run", "") for job in WORKFLOW["jobs"].values() for one in job["steps"]
    )


@pytest.mark.parametrize("only", ["", "all", "debian"])
def test_the_plan_is_the_table(runner: Runner, only: str) -> None:
    done = runner.run("Read the list", ONLY=only)
    assert done.returncode == 0, done.stderr
    name, _, value = (runner.directory / "output").read_text().partition("=")
    assert name == "images"
    assert json.loads(value) == [
        {
            "distribution": distribution,
            "version": version,
            "base": row["base"],
            "compilers": " ".join(row["compilers"]),
        }
        for distribution, versions in TABLE.items()
        for version, row in versions.items()
        if only in ("", "all", distribution)
    ]


@pytest.mark.parametrize(
    "prefix", ["", "ghcr.io/acme/hello", "ghcr.io/Acme/hello-driver", "ghcr.io/acme/a/b.c"]
)
def test_images_go_below_the_owners_place(runner: Runner, prefix: str) -> None:
    done = runner.run("Check where the images go", KMODBOT_IMAGE_PREFIX=prefix)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "prefix",
    [
        "ghcr.io/acme",
        "ghcr.io/ACME",
        "ghcr.io/acme/",
        "ghcr.io/acme/hello/",
        "ghcr.io/other/hello",
        "docker.io/acme/hello",
        "ghcr.io/acme/hello:1",
        "ghcr.io/acme/$(id)",
    ],
)
def test_a_prefix_that_would_replace_the_bases_stops_before_anything_is_built(
    runner: Runner, prefix: str
) -> None:
    done = runner.run("Check where the images go", KMODBOT_IMAGE_PREFIX=prefix)
    assert done.returncode == 1
    assert done.stdout.startswith("::error::The variable KMODBOT_IMAGE_PREFIX ")
    assert "such as ghcr.io/acme/hello-driver;" in done.stdout
    assert "Check where the images go" in str(WORKFLOW["jobs"]["plan"])


def test_the_token_reaches_docker_on_its_standard_input_only(runner: Runner) -> None:
    done = runner.run("Log in to the registry", TOKEN="secret", GITHUB_ACTOR="octocat")
    assert done.returncode == 0
    assert runner.notes.read_text() == "login ghcr.io --username octocat --password-stdin\n"


def test_an_image_is_pushed_by_its_digest(runner: Runner) -> None:
    create, build = runner.push(KMODBOT_IMAGE_PREFIX="").splitlines()
    assert create == "buildx create --use"
    assert "--file Dockerfile.base.ubuntu --build-arg VERSION=22.04" in build
    assert "BASE=docker.io/library/ubuntu:22.04 --build-arg COMPILERS=gcc-11 gcc-12" in build
    assert "name=ghcr.io/acme/ubuntu,push=true,push-by-digest=true" in build
    assert "--tag" not in build
    reference = (runner.directory / "references/ubuntu-22.04-amd64").read_text()
    assert reference == f"ghcr.io/acme/ubuntu@{BASE}\n"


def test_the_drivers_own_image_is_built_on_the_very_base_that_was_pushed(runner: Runner) -> None:
    *_, build = runner.push(KMODBOT_IMAGE_PREFIX="ghcr.io/Acme/hello").splitlines()
    assert "--file Dockerfile.ubuntu " in build
    assert "--build-arg REGISTRY=ghcr.io --build-arg OWNER=acme" in build
    base = f"ghcr.io/acme/ubuntu:22.04=docker-image://ghcr.io/acme/ubuntu@{BASE}"
    assert f"--build-context {base}" in build
    references = (runner.directory / "references/ubuntu-22.04-amd64").read_text().splitlines()
    assert references[1] == f"ghcr.io/acme/hello/ubuntu@{CUSTOM}"


def put_references(runner: Runner, *architectures: str) -> None:
    (runner.directory / "references").mkdir()
    for number, architecture in enumerate(architectures):
        (runner.directory / f"references/debian-12-{architecture}").write_text(
            f"ghcr.io/acme/debian@sha256:b{number}\nghcr.io/acme/hello/debian@sha256:c{number}\n"
        )


def test_a_tag_is_put_on_both_architectures_together(runner: Runner) -> None:
    put_references(runner, "amd64", "arm64")
    done = runner.run("Put the tag on both architectures", DISTRIBUTION="debian", VERSION="12")
    assert done.returncode == 0, done.stderr
    create = "buildx imagetools create --tag ghcr.io/acme"
    assert runner.notes.read_text().splitlines() == [
        f"{create}/debian:12 ghcr.io/acme/debian@sha256:b0 ghcr.io/acme/debian@sha256:b1",
        f"{create}/hello/debian:12 "
        "ghcr.io/acme/hello/debian@sha256:c0 ghcr.io/acme/hello/debian@sha256:c1",
    ]
    assert "ghcr.io/acme/hello/debian:12" in (runner.directory / "summary").read_text()


@pytest.mark.parametrize("architectures", [(), ("arm64",)])
def test_a_tag_stays_where_it_is_when_an_architecture_is_missing(
    runner: Runner, architectures: tuple[str, ...]
) -> None:
    if architectures:
        put_references(runner, *architectures)
    done = runner.run("Put the tag on both architectures", DISTRIBUTION="debian", VERSION="12")
    assert done.returncode == 1
    assert "debian 12 was not built for both architectures" in done.stdout
    assert not runner.notes.exists()
