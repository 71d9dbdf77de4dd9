"""The matrix as one file that GitHub Actions runs without installing anything."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .support import RELEASES, kernels_json, write

SCRIPT = Path(__file__).parents[3] / "scripts/zipapp.py"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(SCRIPT), "kmodbot-matrix", "--output", str(directory)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(answer.stdout.strip())


def run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Isolated and without site-packages: the standard library is all there is.
    command = [sys.executable, "-I", "-S", str(program), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_needs_the_standard_library_only(program: Path, tmp_path: Path) -> None:
    kernels = write(tmp_path / "kernels.json", kernels_json(*RELEASES))
    done = run(program, "--kernels", kernels, "--driver-version", "v0.1.0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["builds"] == 3


def test_it_can_read_lists_and_ask_github(program: Path) -> None:
    nowhere = "http://127.0.0.1:1/x86_64/list.json"
    done = run(program, "--crawler", nowhere, "--driver-version", "v0.1.0")
    assert (done.returncode, nowhere in done.stderr) == (1, True)
    words = ("--kernels", "/nonexistent", "--repository", "acme/hello", "--driver", "hello")
    done = run(program, *words, "--driver-version", "v0.1.0")
    assert (done.returncode, "/nonexistent" in done.stderr) == (2, True)


def test_it_holds_what_it_needs_and_no_more(program: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        names = archive.namelist()
    parts = {
        "/".join(name.split("/")[1:3]) for name in names if name.startswith("kmodbot/discovery/")
    }
    assert parts == {
        "discovery/__init__.py",
        "discovery/commands",
        "discovery/crawler",
        "discovery/matrix",
    }
