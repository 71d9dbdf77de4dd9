"""The driver's repository of the demo: examples/hello with kmodbot set up in it.

``python -m demo.content DIRECTORY`` writes it into a new directory.
"""

from __future__ import annotations

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
        FileNotFoundError: the builder has not been made; ``make dist`` does.

    """
    shutil.copytree(HERE / "examples" / "hello", directory)
    github = directory / ".github"
    (github / "workflows").mkdir(parents=True)
    (github / "kmodbot").mkdir()
    workflow = resources.files("kmodbot.pipeline") / "files" / WORKFLOW
    (github / WORKFLOW).write_bytes(workflow.read_bytes())
    shutil.copy(BUILDER, github / "kmodbot")
    (directory / KERNELS_JSON).write_text("{}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        write_content(Path(sys.argv[1]))
    except (FileExistsError, FileNotFoundError) as error:
        sys.exit(f"{error}")
