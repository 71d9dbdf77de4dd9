"""What the builder thinks of a driver.yml that somebody wrote, asked before a build would fail."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def driver_file_problem(root: Path, builder: bytes) -> str:
    """Return what `builder`, the program, finds wrong in the driver.yml at `root`, or nothing."""
    with tempfile.TemporaryDirectory(prefix="kmodbot-") as directory:
        program = Path(directory) / "driver-builder.pyz"
        program.write_bytes(builder)
        command = [sys.executable, "-I", str(program), "name", "--source", str(root)]
        # Without variables, some of which would change how it speaks.
        done = subprocess.run(  # noqa: S603  # a list, and nothing in it is an option
            command, capture_output=True, text=True, check=False, env={}
        )
    return done.stderr.strip().removeprefix("error: ") if done.returncode else ""
