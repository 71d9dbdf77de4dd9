"""The single files, made where there is no clone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from kmodbot.repository.errors import RepositoryError
from kmodbot.repository.programs import program

from .conftest import tree

PROJECT = Path(__file__).parents[2]


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # A distribution's own package of it has no list of files.
    monkeypatch.setattr(metadata, "files", lambda _: None)
    with pytest.raises(RepositoryError, match="pip install PyYAML"):
        program("driver-builder")


def test_an_installed_kmodbot_has_all_files(tmp_path: Path, repository: Path) -> None:
    # From a copy, because building writes beside the source.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("kmodbot", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", str(PROJECT / name), str(source)], check=True)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    script = (
        "import argparse, sys; from kmodbot.repository import command;"
        f"assert command.__file__.startswith({str(site)!r});"
        "parser = argparse.ArgumentParser(); command.add_arguments(parser);"
        "sys.exit(command.run(parser.parse_args(sys.argv[1:])))"
    )
    # Without site-packages' own start-up, which would find this clone first.
    run = [sys.executable, "-S", "-c", script, str(repository)]
    path = os.pathsep.join([str(site), sysconfig.get_path("purelib")])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path}
    subprocess.run(run, check=True, cwd=site, env=environment)
    assert ".github/kmodbot/images/Dockerfile.base.ubuntu" in tree(repository)
