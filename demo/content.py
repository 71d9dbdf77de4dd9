"""The driver's repository of the demo: examples/hello with kmodbot set up in it."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import resources
from pathlib import Path

from kmodbot.kernels import KERNELS_JSON

HERE = Path(__file__).resolve().parents[1]
BUILDER = HERE / "dist" / "driver-builder.pyz"
WORKFLOW = "workflows/driver-build.yml"


def write_content(directory: Path) -> None:
    """Write what the first commit of the driver's repository holds.

    Raises:
        FileExistsError: the directory exists.
        FileNotFoundError: the builder has not been made.

    """
    if directory.exists():
        raise FileExistsError(f"{directory} exists; name a new one")
    if not BUILDER.is_file():
        raise FileNotFoundError(f"{BUILDER} is missing; run make dist first")
    shutil.copytree(HERE / "examples" / "hello", directory)
    github = directory / ".github"
    (github / "workflows").mkdir(parents=True)
    (github / "kmodbot").mkdir()
    workflow = resources.files("kmodbot.pipeline") / "files" / WORKFLOW
    (github / WORKFLOW).write_bytes(workflow.read_bytes())
    shutil.copy(BUILDER, github / "kmodbot")
    (directory / KERNELS_JSON).write_text("{}\n")


def main(arguments: list[str] | None = None) -> int:
    """Write the repository into the directory that is named; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.content",
        description="Writes a driver's repository: examples/hello with kmodbot set up in it.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to; a new one")
    directory = parser.parse_args(arguments).directory
    try:
        write_content(directory)
    except OSError as error:
        # A user error, so the message alone: there is nothing to find in a traceback.
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
