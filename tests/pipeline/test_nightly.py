"""The nightly workflows as users copy them, and the step that makes the matrix as it runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodbot.repository.programs import program

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "kmodbot/pipeline/files/workflows"
TEXTS = {
    name: (WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8")
    for name in ("nightly", "nightly-build")
}
NO_PREVIOUS = "nothing to compare with: the shrink guard is off"
KERNELS = ["6.1.0-9-amd64", "6.1.0-38-amd64"]


def load(name: str) -> Any:
    return yaml.safe_load(TEXTS[name])


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in load(name)["jobs"].values() for step in job.get("steps", ())]


def step(name: str, title: str) -> dict[str, Any]:
    (found,) = (one for one in steps(name) if one["name"] == title and "run" in one)
    return found


def test_it_runs_every_night_and_by_hand_without_the_crawler_unless_asked() -> None:
    # YAML 1.1 reads the key `on` as true.
    triggers = load("nightly")[True]
    assert triggers["schedule"]
    assert triggers["workflow_dispatch"]["inputs"]["use_kernel_crawler"]["default"] is False


@pytest.mark.parametrize("name", TEXTS)
def test_no_permission_is_given_but_by_the_jobs(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        writes = {scope for scope, level in job["permissions"].items() if level == "write"}
        # A provenance is about the run itself; the packages go with the App's token.
        assert writes <= {"attestations", "id-token"}


def test_the_jobs_that_compile_can_write_nothing() -> None:
    jobs = [load("nightly")["jobs"]["build"], *load("nightly-build")["jobs"].values()]
    assert all("write" not in job["permissions"].values() for job in jobs)


def test_only_the_step_that_builds_gets_the_key_for_signing() -> None:
    holders = {one["name"] for one in steps("nightly-build") if "secrets." in str(one)}
    assert holders == {"Build the packages"}
    jobs = load("nightly-build")["jobs"]
    assert [name for name, job in jobs.items() if "environment" in job] == ["build"]
    # Another one than the App's, whose key the jobs that compile could take otherwise.
    assert jobs["build"]["environment"] == "kmodbot-signing"


def test_what_is_kept_and_set_is_the_same_as_in_a_single_build() -> None:
    text = (WORKFLOWS / "driver-build.yml").read_text(encoding="utf-8")
    single = yaml.safe_load(text)["jobs"]["build"]["steps"]
    nightly = load("nightly-build")["jobs"]["build"]["steps"]
    paths = [one["with"]["path"] for one in (*single, *nightly) if "cache@" in str(one)]
    assert len(paths) == 2
    assert paths[0] == paths[1]
    assert step("nightly-build", "Build the packages")["env"]["KMODBOT_ENV"] == (
        "${{ vars.KMODBOT_ENV }}"
    )


def test_a_missing_attestation_is_no_failure_on_private_repositories_only() -> None:
    (attest,) = (one for one in steps("nightly") if "attest-build" in one.get("uses", ""))
    # The event of a schedule has no repository.
    assert "github.event" not in f"{attest['if']}{attest['continue-on-error']}"
    assert attest["continue-on-error"] == "${{ github.repository_visibility != 'public' }}"


def test_only_the_publishing_job_has_the_app() -> None:
    jobs = load("nightly")["jobs"]
    assert [name for name, job in jobs.items() if "secrets." in str(job)] == ["publish"]
    assert jobs["publish"]["environment"] == "kmodbot"
    assert "KMODBOT_APP" not in TEXTS["nightly-build"]
    (app,) = (one for one in jobs["publish"]["steps"] if one.get("id") == "app")
    assert app["with"]["permission-contents"] == "write"
    assert "${{ github.token }}" not in str(jobs["publish"])


def test_the_driver_is_never_checked_out_where_a_token_can_write() -> None:
    for one in load("nightly")["jobs"]["publish"]["steps"]:
        assert one.get("with", {}).get("path") != "driver"


@pytest.mark.parametrize("name", TEXTS)
def test_actions_are_pinned_and_say_their_version(name: str) -> None:
    uses = re.findall(r"uses: (actions/.*)", TEXTS[name])
    assert uses
    for use in uses:
        assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40} # v[0-9.]+", use)


@pytest.mark.parametrize("name", TEXTS)
def test_inputs_reach_the_shell_only_through_the_environment(name: str) -> None:
    assert not [one["run"] for one in steps(name) if "${{" in one.get("run", "")]


def test_a_night_with_nothing_new_builds_and_publishes_nothing() -> None:
    jobs = load("nightly")["jobs"]
    for job in (jobs["build"], jobs["publish"]):
        assert "needs.generate.outputs.chunks != '[]'" in job["if"]


def test_failed_kernels_hold_nothing_back() -> None:
    assert "!cancelled()" in load("nightly")["jobs"]["publish"]["if"]
    jobs = load("nightly-build")["jobs"]
    assert jobs["build"]["strategy"]["fail-fast"] is False


def test_a_job_whose_time_was_up_keeps_the_packages_it_finished() -> None:
    # A time-out counts as cancelled.
    hand_over = load("nightly-build")["jobs"]["build"]["steps"][-1]
    assert hand_over["uses"].startswith("actions/upload-artifact@")
    assert hand_over["if"] == "${{ always() }}"


def test_the_matrix_of_a_scheduled_run_is_kept_for_every_later_run() -> None:
    (keep,) = (one for one in steps("nightly") if "cache/save" in one.get("uses", ""))
    (find,) = (one for one in steps("nightly") if "cache/restore" in one.get("uses", ""))
    # Inputs are empty on schedule, so that they may not make a difference here.
    assert "inputs." not in f"{keep['with']}{find['with']}"
    assert keep["with"]["key"].startswith(find["with"]["restore-keys"])
    assert keep["with"]["path"] == find["with"]["path"] == "previous"


def test_the_jobs_use_what_the_matrix_holds(tmp_path: Path) -> None:
    matrix = generate(tmp_path)
    (job,) = matrix["chunks"][0]
    used = set(re.findall(r"matrix\.job\.(\w+)", TEXTS["nightly-build"]))
    assert used == set(job)


def generate(
    directory: Path, *entries: dict[str, str], driver: str = "hello", **inputs: str
) -> Any:
    """Run the step that makes the matrix, as GitHub does, in a checkout without a repository."""
    (directory / ".github/kmodbot").mkdir(parents=True, exist_ok=True)
    for name in ("kmodbot-matrix", "driver-builder"):
        (directory / f".github/kmodbot/{name}.pyz").write_bytes(program(name))
    # The checkout is sparse: what the driver is made of is not there.
    text = f"name: {driver}\ndirectory: src\nmodules: [hello]\n"
    (directory / "driver.yml").write_text(text, encoding="utf-8")
    listed = [
        {"target": "debian", "kernelrelease": release, "distroversion": "12"} for release in KERNELS
    ]
    kernels = directory / ".github/kernels.json"
    kernels.write_text(json.dumps({"x86_64": [*listed, *entries]}), encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "DRIVER_VERSION": "v0.1.0",
        "GITHUB_OUTPUT": str(directory / "outputs"),
        "GITHUB_STEP_SUMMARY": str(directory / "summary"),
        **inputs,
    }
    subprocess.run(
        ["bash", "-e", "-c", step("nightly", "Generate the matrix")["run"]],
        cwd=directory,
        env=environment,
        check=True,
    )
    return json.loads((directory / "matrix.json").read_text(encoding="utf-8"))


def test_the_step_makes_the_matrix_and_says_which_chunks_there_are(tmp_path: Path) -> None:
    matrix = generate(tmp_path)
    assert matrix["driver"] == "hello"
    assert [job["kernels"] for chunk in matrix["chunks"] for job in chunk] == [KERNELS]
    assert (tmp_path / "outputs").read_text() == "chunks=[0]\n"
    assert "2 builds in 1 jobs" in (tmp_path / "summary").read_text()
    assert (tmp_path / "previous/fleet.json").read_text() == (tmp_path / "matrix.json").read_text()


def test_the_step_takes_known_bad_kernels_and_the_previous_night_along(tmp_path: Path) -> None:
    generate(tmp_path)
    assert NO_PREVIOUS in (tmp_path / "summary").read_text()
    (tmp_path / "summary").unlink()
    entry = {"target": "debian", "distroversion": "12", "reason": "does not compile"}
    bad = {"x86_64": [{**entry, "kernelrelease": release} for release in KERNELS]}
    (tmp_path / ".github/known-bad.json").write_text(json.dumps(bad), encoding="utf-8")
    (tmp_path / "outputs").unlink()
    assert generate(tmp_path)["chunks"] == []
    assert NO_PREVIOUS not in (tmp_path / "summary").read_text()
    assert (tmp_path / "outputs").read_text() == "chunks=[]\n"


@pytest.mark.parametrize("driver", ['"hello"', "'hello'", "hello  # the driver"])
def test_the_name_may_be_written_in_every_way_yaml_knows(tmp_path: Path, driver: str) -> None:
    assert generate(tmp_path, driver=driver)["driver"] == "hello"


def test_a_wrong_name_stops_the_night_and_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        generate(tmp_path, driver="Hello World")
    assert "driver.yml: name: expected small letters" in capfd.readouterr().err


def test_every_distribution_is_built(tmp_path: Path) -> None:
    release = "6.17.1-300.fc43.x86_64"
    entry = {"target": "fedora", "kernelrelease": release, "distroversion": "43"}
    matrix = generate(tmp_path, entry)
    assert matrix["left_out"] == {}
    assert [job["distribution"] for job in matrix["chunks"][0]] == ["debian", "fedora"]


def test_a_list_that_lost_its_kernels_stops_the_night(tmp_path: Path) -> None:
    matrix = generate(tmp_path)
    matrix["wanted"]["debian 12 x86_64"] = 100
    (tmp_path / "previous/fleet.json").write_text(json.dumps(matrix), encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        generate(tmp_path)
    assert generate(tmp_path, FORCE="true")["wanted"]["debian 12 x86_64"] == 2


def test_a_chunk_is_read_from_the_matrix(tmp_path: Path) -> None:
    matrix = generate(tmp_path)
    output = tmp_path / "jobs"
    subprocess.run(
        ["bash", "-e", "-c", step("nightly-build", "Read the chunk")["run"]],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CHUNK": "0", "GITHUB_OUTPUT": str(output)},
        check=True,
    )
    name, _, value = output.read_text().partition("=")
    assert (name, json.loads(value)) == ("jobs", matrix["chunks"][0])
