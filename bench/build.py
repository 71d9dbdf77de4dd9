"""The example driver for the newest Debian 12 kernel: seconds per phase, cold and warm.

``python -m bench.build`` builds with an empty cache and once more with the cache that this left,
several rounds of both, and prints the median of each phase. The cold builds read package lists and
headers from the mirror, so they measure the way to it, too.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from bench.table import markdown
from kmodbot.kernels import Kernel
from kmodbot.pipeline.build import build
from kmodbot.pipeline.compiler import machine
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.headers.debian import CHAIN
from kmodbot.pipeline.headers.suites import AptSuites
from kmodbot.pipeline.inputs import Request
from kmodbot.pipeline.phases import Log

HELLO = Path(__file__).parents[1] / "examples" / "hello"
ROUNDS = 3
_DISTRO_VERSION = "12"
_TOTAL, _COMPILE = "all", "compile"


def main() -> int:
    """Measure and print the table; returns 1 when a build fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", metavar="RELEASE", help="default: the newest of Debian 12")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmodbot-bench-") as directory:
        try:
            return _report(given.kernel or newest(Path(directory)), given.rounds, Path(directory))
        except BuildError as error:
            print(f"bench.build: {error}", file=sys.stderr)
            return 1


def newest(directory: Path) -> str:
    """Return the newest kernel release of Debian 12 itself, of the flavour most machines run."""
    flavour = {"x86_64": "-amd64", "aarch64": "-arm64"}[machine()]
    suites = next(source for source in CHAIN if isinstance(source, AptSuites))
    log = Log(stream=io.StringIO())
    listed = suites.releases(_DISTRO_VERSION, machine(), directory / "lists", log)
    return [name for name in listed if name.endswith(flavour) and name.count("-") == 1][-1]


def measure(request: Request, directory: Path, cache: Path) -> dict[str, float]:
    """Build once and return the seconds of each phase and of all of them."""
    log = Log(stream=io.StringIO())
    build(request, HELLO, directory / "packages", cache, log)
    return {**log.phases, _TOTAL: sum(log.phases.values())}


def _report(release: str, rounds: int, directory: Path) -> int:
    kernel = Kernel.parse(
        distribution="debian",
        distro_version=_DISTRO_VERSION,
        architecture=machine(),
        release=release,
    )
    request = Request(kernel, "v0.1.0", "manual")
    runs: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        cache = directory / "cache"
        for taken in runs.values():
            taken.append(measure(request, directory, cache))
        shutil.rmtree(cache)
    cold, warm = (_medians(taken) for taken in runs.values())
    rows = [
        (phase, f"{cold[phase]:.2f}", f"{warm[phase]:.2f}", f"{warm[phase] / cold[phase]:.2f}")
        for phase in cold
    ]
    print(markdown(("phase", "cold", "warm", "of cold"), rows))
    shares = [
        f"{taken[_COMPILE] / taken[_TOTAL]:.0%} {name}"
        for name, taken in (("cold", cold), ("warm", warm))
    ]
    print(f"\n{release}, {rounds} rounds; compile is {' and '.join(shares)}")
    return 0


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {phase: statistics.median(run[phase] for run in runs) for phase in runs[0]}


if __name__ == "__main__":
    sys.exit(main())
