"""``kmodbot matrix`` as a program of its own, which GitHub Actions runs without installing."""

from __future__ import annotations

import argparse
import sys

from kmodbot.discovery.commands.matrix import add_arguments, run


def main() -> int:
    """Make the matrix and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="kmodbot-matrix", description="Tell which kernels still need which driver version."
    )
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
