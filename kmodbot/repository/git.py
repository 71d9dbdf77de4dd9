"""What git knows of the repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .errors import RepositoryError


def work_tree(directory: Path) -> Path:
    """Return the root of the git work tree that `directory` is in; raises RepositoryError."""
    if not directory.is_dir():
        raise RepositoryError(f"{directory} is not a directory")
    done = _git(directory, "rev-parse", "--show-toplevel")
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip().splitlines()
        raise RepositoryError(
            f"{directory.resolve()} is not in a git work tree; name the driver's repository, or "
            f"make one there with git init (git says: {said[0] if said else 'nothing'})"
        )
    return Path(done.stdout.rstrip("\n"))


def tags(root: Path) -> list[str]:
    """Return the tags of the repository at `root`."""
    return _git(root, "tag", "--list").stdout.split()


def _git(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # A git hook has variables that name another repository.
    environment = {key: value for key, value in os.environ.items() if key[:4] != "GIT_"}
    command = ["git", "-C", str(directory), *words]
    try:
        return subprocess.run(  # noqa: S603  # a list, and nothing in it is an option
            command, capture_output=True, text=True, check=False, env=environment
        )
    except FileNotFoundError:
        raise RepositoryError("git is not installed, and this is for git repositories") from None
