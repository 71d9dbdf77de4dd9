"""Sets a driver's repository up: workflows, images, the builder and a first driver.yml.

Asks nothing and commits nothing. Run it again with a newer kmodbot to renew its files; those that
somebody edited are named and left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .check import driver_file_problem
from .content import BUILDER, DRIVER_FILE, IMAGES, IMAGES_WORKFLOW, WORKFLOWS, content_for
from .errors import RepositoryError
from .git import tags, work_tree
from .manifest import read_manifest
from .plan import WRITES, make_plan
from .versions import next_version
from .write import write

if TYPE_CHECKING:
    from .plan import Plan

_EXIT_EDITED, _EXIT_REFUSED = 1, 2

_COMMIT = (
    "Commit and push: git add .github driver.yml && git commit -m 'Build with kmodbot' && git push"
)
_IMAGES = (
    "Build the images, once by hand, from then on weekly: gh workflow run base-images.yml (one "
    "repository of an owner does this for all; in the others run kmodbot init --no-images)"
)
_NO_IMAGES = (
    "Where the images are private, let this repository read them: on each image's page, Package "
    "settings, Manage Actions access"
)
_DELETE = f"Delete what builds the images: git rm -r {IMAGES_WORKFLOW} {IMAGES}"
_TAG = (
    "Tag a version and push the tag: git tag {0} && git push origin {0} (a tag has to contain "
    "driver.yml, so those from before it cannot be built)"
)
_THEN = (
    "Try a build: gh workflow run driver-build.yml, with the kernel of one of your nodes",
    "For nightly builds, put the App's KMODBOT_APP_ID and KMODBOT_APP_PRIVATE_KEY into an "
    'environment "kmodbot" of the repository',
    "For signed modules, put KMODBOT_SIGNING_KEY and KMODBOT_SIGNING_CERT into an environment "
    '"kmodbot-signing"',
)
_CHECK = "Check {}: {}"


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
    parser.add_argument(
        "--images",
        action=argparse.BooleanOptionalAction,
        help="build the images in this repository, which only one of an owner can; remembered "
        "(default: as the last time, at first yes)",
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Set the repository up; return 0, 1 when edited files were left alone, 2 when refused."""
    try:
        root = work_tree(arguments.directory)
        recorded = read_manifest(root)
        images = recorded.images if arguments.images is None else arguments.images
        plan = make_plan(root, content_for(root, images=images), recorded, force=arguments.force)
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
    if DRIVER_FILE in plan.paths("yours") and (problem := _problem(plan)):
        print(f"kmodbot init: builds will fail: {problem}", file=sys.stderr)  # noqa: T201
    if edited:
        print(_complaint(edited), file=sys.stderr)  # noqa: T201  # the answer
    return _EXIT_EDITED if edited else 0


def _text(plan: Plan, *, dry_run: bool) -> list[str]:
    lines = [f"{plan.root}{' (nothing is written)' if dry_run else ''}"]
    lines += [
        f"  {step.action:9}  {step.file.path}" for step in plan.steps if step.action in WRITES
    ]
    lines.append(f"  up to date or yours, so left alone: {len(plan.paths('same', 'yours'))}")
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
    steps = [_CHECK.format(DRIVER_FILE, plan.guessed)] if DRIVER_FILE in created else []
    if not plan.manifest.images and (plan.root / IMAGES_WORKFLOW).exists():
        steps.append(_DELETE)
    if plan.paths(*WRITES) or steps:
        steps.append(_COMMIT)
    new = f"{WORKFLOWS}/driver-build.yml" in created or DRIVER_FILE in created
    if IMAGES_WORKFLOW in created or (new and plan.manifest.images):
        steps.append(_IMAGES)
    elif new:
        steps.append(_NO_IMAGES)
    return [*steps, _TAG.format(next_version(tags(plan.root))), *_THEN] if new else steps


def _problem(plan: Plan) -> str:
    builders = (step.file.content for step in plan.steps if step.file.path == BUILDER)
    return driver_file_problem(plan.root, next(builders))


def _complaint(edited: list[str]) -> str:
    names = "".join(f"\n  {path}" for path in edited)
    return (
        f"kmodbot init: edited, so left as they are:{names}\n"
        "Compare them with what kmodbot init --force writes; git keeps the edits."
    )
