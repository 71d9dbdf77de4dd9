"""A driver's git repository to set up."""

from __future__ import annotations

import argparse
import subprocess
from typing import TYPE_CHECKING

import pytest

from kmodbot.repository import command

if TYPE_CHECKING:
    from pathlib import Path


def init(directory: Path, *words: str) -> int:
    """Run ``kmodbot init`` and return its exit status."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(directory), *words]))


def tree(root: Path) -> dict[str, bytes]:
    """Return path -> content of everything but git's own files."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "driver"
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root
