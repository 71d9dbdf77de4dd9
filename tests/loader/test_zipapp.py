"""The single files that nodes and workflows run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/zipapp.py"


def _build(name: str, directory: Path) -> Path:
    command = [sys.executable, str(SCRIPT), name, "--output", str(directory)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(answer.stdout.strip())


@pytest.mark.parametrize("name", ["driver-loader", "driver-builder"])
def test_the_same_source_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    first, second = (_build(name, tmp_path / place) for place in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("name", "room"), [("driver-loader", "loader"), ("driver-builder", "pipeline")]
)
def test_a_file_holds_its_room_and_the_vocabulary_only(
    tmp_path: Path, name: str, room: str
) -> None:
    with zipfile.ZipFile(_build(name, tmp_path)) as archive:
        names = archive.namelist()
    rooms = {path.split("/")[1] for path in names if path.startswith("kmodbot/")}
    assert rooms == {"__init__.py", "kernels", room}
    assert not [path for path in names if path.endswith((".pyc", ".so"))]
    assert ("yaml/__init__.py" in names) == (room == "pipeline")


@pytest.mark.parametrize("name", ["driver-loader", "driver-builder"])
def test_a_file_runs_by_itself(tmp_path: Path, name: str) -> None:
    path = _build(name, tmp_path)
    # Isolated: neither the project nor anything that is installed may be needed.
    answer = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )
    assert answer.stdout.startswith(f"usage: {name}")
    assert os.access(path, os.X_OK)
    assert path.read_bytes().startswith(b"#!/usr/bin/env python3\n")
