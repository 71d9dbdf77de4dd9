"""Sets a driver's repository up: workflows, images, the builder and a first driver.yml.

Asks nothing and commits nothing. Run it again with a newer kmodbot to renew its files; those that
somebody edited are named and left alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .content import DRIVER_FILE, WORKFLOWS, first_files, kept_files
from .errors import RepositoryError
from .manifest import read_manifest
from .plan import WRITES, make_plan
from .write import write

if TYPE_CHECKING:
    import argparse

    from .plan import Plan

_EXIT_EDITED, _EXIT_REFUSED = 1, 2

_NEXT = (
    "Commit and push: git add .github driver.yml && git commit -m 'Build with kmodbot' && git push",
    "Build the images, once by hand, from then on weekly: gh workflow run base-images.yml",
    "Tag a version of the driver and push the tag, such as v0.1.0",
    "Try a build: gh workflow run driver-build.yml, with the kernel of one of your nodes",
    "For nightly builds, put the App's KMODBOT_APP_ID and KMODBOT_APP_PRIVATE_KEY into an "
    'environment "kmodbot" of the repository',
)
_CHECK = f"Check {DRIVER_FILE}: it was guessed from the build files, or has to be filled in"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="DIRECTORY",
        help="the driver's git repository (default: the one around the current directory)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done and write nothing"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace edited files too; driver.yml, kernels.json and Dockerfile.DISTRIBUTION are "
        "never replaced",
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Set the repository up; return 0, 1 when edited files were left alone, 2 when refused."""
    try:
        root = work_tree(arguments.directory)
        plan = make_plan(
            root, kept_files(), first_files(root), read_manifest(root), force=arguments.force
        )
        if not arguments.dry_run:
            write(plan)
    except RepositoryError as error:
        print(f"kmodbot init: {error}", file=sys.stderr)  # noqa: T201  # the answer
        return _EXIT_REFUSED
    if arguments.json:
        print(json.dumps(_document(plan, dry_run=arguments.dry_run), indent=2))  # noqa: T201
    else:
        print("\n".join(_text(plan, dry_run=arguments.dry_run)))  # noqa: T201  # the answer
    edited = plan.paths("edited")
    if edited:
        print(_complaint(edited), file=sys.stderr)  # noqa: T201  # the answer
    return _EXIT_EDITED if edited else 0


def work_tree(directory: Path) -> Path:
    """Return the root of the git work tree that `directory` is in; raises RepositoryError."""
    if not directory.is_dir():
        raise RepositoryError(f"{directory} is not a directory")
    command = ["git", "-C", str(directory), "rev-parse", "--show-toplevel"]
    environment = {key: value for key, value in os.environ.items() if key[:4] != "GIT_"}
    try:
        done = subprocess.run(  # noqa: S603  # a list, and nothing in it is an option
            command, capture_output=True, text=True, check=False, env=environment
        )
    except FileNotFoundError:
        raise RepositoryError("git is not installed, and this is for git repositories") from None
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip().splitlines()
        raise RepositoryError(
            f"{directory.resolve()} is not in a git work tree; name the driver's repository, or "
            f"make one there with git init (git says: {said[0] if said else 'nothing'})"
        )
    return Path(done.stdout.rstrip("\n"))


def _text(plan: Plan, *, dry_run: bool) -> list[str]:
    lines = [f"{plan.root}{' (nothing is written)' if dry_run else ''}"]
    lines += [
        f"  {step.action:9}  {step.file.path}" for step in plan.steps if step.action in WRITES
    ]
    lines.append(f"  {len(plan.paths('same', 'yours'))} files are as they should be or yours")
    if steps := _next(plan):
        lines += ["", "Next:"]
        lines += [f"  {number}. {text}" for number, text in enumerate(steps, 1)]
    return lines


def _document(plan: Plan, *, dry_run: bool) -> dict[str, object]:
    return {
        "directory": str(plan.root),
        "dry_run": dry_run,
        "files": [{"path": step.file.path, "action": step.action} for step in plan.steps],
        "next": _next(plan),
    }


def _next(plan: Plan) -> list[str]:
    """Return what a person does now: everything at first, later only what renewed files ask for."""
    created = plan.paths("create")
    if DRIVER_FILE in created:
        return [_CHECK, *_NEXT]
    if f"{WORKFLOWS}/driver-build.yml" in created:
        return list(_NEXT)
    return [_NEXT[0]] if plan.paths(*WRITES) else []


def _complaint(edited: list[str]) -> str:
    names = "".join(f"\n  {path}" for path in edited)
    return (
        f"kmodbot init: edited, so left as they are:{names}\n"
        "Compare them with what kmodbot init --force writes; git keeps the edits."
    )
