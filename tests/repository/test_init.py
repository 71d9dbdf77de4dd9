"""`kmodbot init` in a driver's repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmodbot.kernels import SUPPORTED
from kmodbot.repository.manifest import MANIFEST, digest

from .conftest import init, tree

WORKFLOW = ".github/workflows/driver-build.yml"
IMAGES = ".github/kmodbot/images"
IMAGES_WORKFLOW = ".github/workflows/base-images.yml"
SHIPPED = Path(__file__).parents[2] / "kmodbot/pipeline/files/workflows/driver-build.yml"


def record(root: Path, path: str, content: bytes) -> None:
    """Let it look as if an earlier kmodbot had written the file."""
    (root / path).write_bytes(content)
    document = json.loads((root / MANIFEST).read_text())
    (root / MANIFEST).write_text(json.dumps(document | {path: digest(content)}))


def test_a_driver_repository_gets_all_that_it_needs(repository: Path) -> None:
    assert init(repository) == 0
    assert set(tree(repository)) == {
        "driver.yml",
        ".github/kernels.json",
        ".github/workflows/base-images.yml",
        ".github/workflows/driver-build.yml",
        ".github/workflows/nightly-build.yml",
        ".github/workflows/nightly.yml",
        ".github/kmodbot/driver-builder.pyz",
        ".github/kmodbot/kmodbot-matrix.pyz",
        ".github/kmodbot/manifest.json",
        f"{IMAGES}/images.json",
        f"{IMAGES}/nfpm.txt",
        *(f"{IMAGES}/Dockerfile.base.{name}" for name in SUPPORTED),
        *(f"{IMAGES}/Dockerfile.{name}" for name in SUPPORTED),
    }
    assert (repository / WORKFLOW).read_bytes() == SHIPPED.read_bytes()
    assert (repository / ".github/kernels.json").read_text() == "{}\n"


@pytest.mark.parametrize("name", ["driver-builder", "kmodbot-matrix"])
def test_the_programs_run_by_themselves(repository: Path, name: str) -> None:
    init(repository)
    path = repository / ".github/kmodbot" / f"{name}.pyz"
    command = [sys.executable, "-I", "-S", str(path), "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"usage: {name}")
    assert os.access(path, os.X_OK)


def test_it_says_what_to_do_next(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(repository)
    lines = capsys.readouterr().out.splitlines()
    steps = lines[lines.index("Next:") + 1 :]
    assert steps[0].startswith("  1. Check driver.yml")
    assert "gh workflow run base-images.yml" in steps[2]
    assert len(steps) == 7
    assert '"kmodbot-signing"' in steps[-1]


def test_the_whole_repository_is_set_up_from_any_folder_in_it(repository: Path) -> None:
    (repository / "src").mkdir()
    assert init(repository / "src") == 0
    assert (repository / WORKFLOW).is_file()


def test_what_was_guessed_is_said(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "Kbuild").write_text("obj-m := hello.o\n")
    init(repository)
    said = "1. Check driver.yml: guessed from Kbuild: name hello, modules hello\n"
    assert said in capsys.readouterr().out


def test_the_example_of_a_tag_follows_those_there_are(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["commit", "--allow-empty", "-qm", "x"], ["tag", "v1.9"], ["tag", "v1.10"]):
        subprocess.run(["git", "-C", str(repository), *identity, *words], check=True)
    init(repository)
    assert "git tag v1.11 && git push origin v1.11 (" in capsys.readouterr().out


def test_every_file_that_is_written_is_listed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert {file["path"] for file in answer["files"]} == set(tree(repository))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: hello\nmodules: hello\n", "driver.yml: modules: expected a list"),
        ("name:\nmodules: [hello]\n", "driver.yml: name: is missing"),
        ("name: Hello\nmodules: [hello]\n", "driver.yml: name: expected small letters"),
    ],
)
def test_a_driver_yml_that_is_wrong_is_told_before_a_build_fails(
    repository: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "driver.yml").write_text(text)
    assert init(repository) == 0
    assert capsys.readouterr().err.startswith(f"kmodbot init: builds will fail: {said}")


def test_of_a_driver_yml_that_is_right_nothing_is_said(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "driver.yml").write_text("name: hello\ndirectory: src\nmodules: [hello]\n")
    assert init(repository) == 0
    assert capsys.readouterr().err == ""


def test_a_dry_run_writes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(repository, "--dry-run") == 0
    assert tree(repository) == {}
    assert f"create     {WORKFLOW}" in capsys.readouterr().out


def test_a_second_run_changes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(repository)
    before = {path: (repository / path).stat().st_mtime_ns for path in tree(repository)}
    capsys.readouterr()
    assert init(repository) == 0
    assert {path: (repository / path).stat().st_mtime_ns for path in tree(repository)} == before
    assert "Next:" not in capsys.readouterr().out


def test_a_file_nobody_edited_is_renewed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository)
    record(repository, WORKFLOW, b"name: of an earlier kmodbot\n")
    capsys.readouterr()
    assert init(repository) == 0
    assert (repository / WORKFLOW).read_bytes() == SHIPPED.read_bytes()
    assert f"update     {WORKFLOW}" in capsys.readouterr().out


def test_an_edited_file_is_left_alone_and_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository)
    (repository / WORKFLOW).write_text("name: ours\n")
    assert init(repository) == 1
    assert (repository / WORKFLOW).read_text() == "name: ours\n"
    assert WORKFLOW in capsys.readouterr().err


def test_a_file_that_was_there_before_counts_as_edited(repository: Path) -> None:
    (repository / WORKFLOW).parent.mkdir(parents=True)
    (repository / WORKFLOW).write_text("name: ours\n")
    assert init(repository) == 1
    assert init(repository) == 1
    assert (repository / WORKFLOW).read_text() == "name: ours\n"


def test_force_replaces_an_edited_file(repository: Path) -> None:
    init(repository)
    whole = tree(repository)
    (repository / WORKFLOW).write_text("name: ours\n")
    assert init(repository, "--force") == 0
    assert tree(repository) == whole
    assert init(repository) == 0


def test_an_edit_that_was_taken_back_is_no_edit(repository: Path) -> None:
    init(repository)
    old = b"name: of an earlier kmodbot\n"
    record(repository, WORKFLOW, old)
    (repository / WORKFLOW).write_text("name: ours\n")
    assert init(repository) == 1
    (repository / WORKFLOW).write_bytes(old)
    assert init(repository) == 0
    assert (repository / WORKFLOW).read_bytes() != old


@pytest.mark.parametrize(
    "path", ["driver.yml", ".github/kernels.json", f"{IMAGES}/Dockerfile.debian"]
)
def test_what_is_the_authors_own_is_never_replaced(repository: Path, path: str) -> None:
    init(repository)
    (repository / path).write_text("ours\n")
    assert init(repository) == 0
    assert init(repository, "--force") == 0
    assert (repository / path).read_text() == "ours\n"


def test_a_deleted_file_comes_back(repository: Path) -> None:
    init(repository)
    (repository / WORKFLOW).unlink()
    assert init(repository) == 0
    assert (repository / WORKFLOW).is_file()


def test_a_second_driver_of_an_owner_leaves_the_images_to_the_first(repository: Path) -> None:
    assert init(repository, "--no-images") == 0
    files = set(tree(repository))
    assert WORKFLOW in files
    assert not {path for path in files if path.startswith(IMAGES) or path == IMAGES_WORKFLOW}
    # The next run, of a newer kmodbot as a rule, knows it still.
    assert init(repository) == 0
    assert set(tree(repository)) == files


def test_images_that_were_left_out_can_come_back(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository, "--no-images")
    capsys.readouterr()
    assert init(repository, "--images") == 0
    assert (repository / IMAGES_WORKFLOW).is_file()
    assert "gh workflow run base-images.yml" in capsys.readouterr().out
    (repository / IMAGES_WORKFLOW).unlink()
    assert init(repository) == 0
    assert (repository / IMAGES_WORKFLOW).is_file()


def test_a_workflow_of_images_that_is_left_over_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository)
    capsys.readouterr()
    assert init(repository, "--no-images") == 0
    assert (repository / IMAGES_WORKFLOW).is_file()
    assert f"git rm -r {IMAGES_WORKFLOW} {IMAGES}" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "step"), [([], "init --no-images"), (["--no-images"], "Manage")])
def test_it_says_whose_the_images_are(
    repository: Path, words: list[str], step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository, *words)
    assert step in capsys.readouterr().out.partition("Next:")[2]


def test_the_answer_can_be_json(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(repository, "--json", "--dry-run") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["directory"], answer["dry_run"]) == (str(repository), True)
    assert {"path": WORKFLOW, "action": "create"} in answer["files"]
    assert answer["next"]


def test_outside_of_git_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path) == 2
    assert f"{tmp_path} is not in a git work tree" in capsys.readouterr().err
    assert tree(tmp_path) == {}


def test_inside_of_gits_own_folder_it_is_refused(repository: Path) -> None:
    assert init(repository / ".git") == 2


def test_a_place_that_does_not_exist_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "nowhere") == 2
    assert "nowhere is not a directory" in capsys.readouterr().err


def test_without_git_it_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert init(repository) == 2
    assert "git is not installed" in capsys.readouterr().err


def test_another_repository_of_the_environment_does_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a git hook.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert init(repository) == 0


@pytest.mark.parametrize("place", [".github", WORKFLOW])
def test_it_never_writes_through_a_link(repository: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repository / place).parent.mkdir(parents=True, exist_ok=True)
    (repository / place).symlink_to(outside)
    assert init(repository, "--force") == 2
    assert list(outside.iterdir()) == []
    assert not (repository / "driver.yml").exists()


@pytest.mark.parametrize("place", [f"{WORKFLOW}/folder", ".github/workflows", ".github"])
def test_something_else_in_the_way_is_named(
    repository: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / place).parent.mkdir(parents=True, exist_ok=True)
    (repository / place).write_text("in the way\n")
    assert init(repository) == 2
    assert f"{WORKFLOW}: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", "[]", '{"a": 1}', "\x00"])
def test_a_broken_manifest_is_refused(
    repository: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    init(repository)
    (repository / MANIFEST).write_text(text)
    assert init(repository) == 2
    assert f"{MANIFEST} is not what kmodbot wrote" in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_file(repository: Path) -> None:
    # The builder is larger than what the process may write.
    script = (
        "import argparse, resource, sys; from kmodbot.repository import command;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "parser = argparse.ArgumentParser(); command.add_arguments(parser);"
        "sys.exit(command.run(parser.parse_args(sys.argv[1:])))"
    )
    command = [sys.executable, "-c", script, str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "driver-builder.pyz: File too large" in done.stderr
    assert not [path for path in tree(repository) if path.startswith(".github/kmodbot/.")]
    assert not (repository / ".github/kmodbot/driver-builder.pyz").exists()
    assert init(repository) == 0
