"""Writes dist/NAME.pyz: one file that runs wherever there is a Python, the same bytes each time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kmodbot.repository.programs import PROGRAMS, program

PROJECT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Write the file that is asked for and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(PROGRAMS))
    parser.add_argument("--output", type=Path, default=PROJECT / "dist", metavar="DIR")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    target = given.output / f"{given.name}.pyz"
    target.write_bytes(program(given.name))
    target.chmod(0o755)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
