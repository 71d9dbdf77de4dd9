"""A list of 20,000 kernels to its matrix: the whole process, beside an equivalent jq program."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.table import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE = Path(__file__).parent
_MOST_OF_JQ = 0.3
_MOST_MIB = 64.0
_POOL = "pool/main/l"
_MIRRORS = ("http://mirrors.edge.kernel.org/ubuntu", "http://security.ubuntu.com/ubuntu")
_FLAVOURS = ("aws", "azure", "gcp", "oracle", "generic", "lowlatency", "gke", "ibm")
#: Series, what follows the ABI in the package version, and the source package of an Ubuntu kernel.
_UBUNTU = (("6.8.0", "", ""), ("6.8.0", "~22.04.1", "-6.8"), ("6.17.0", "~24.04.1", "-6.17"))


@dataclass(frozen=True)
class Run:
    """What one process took: seconds by the clock, and its largest resident size in MiB."""

    seconds: float
    mebibytes: float


def main() -> int:
    """Measure, print the figures and return 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kernels", type=int, default=20_000, help="how many kernels (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (%(default)s)")
    given = parser.parse_args()
    if shutil.which("jq") is None:
        print("bench.matrix: jq is missing: apt-get install jq", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kmodbot-bench-") as directory:
        return _compare(Path(directory), given.kernels, given.rounds)


def _compare(directory: Path, count: int, rounds: int) -> int:
    listed, ours, theirs = (directory / name for name in ("list.json", "ours.json", "jq.json"))
    # In a process of its own: a child is charged with the size its parent had when it started.
    writing = multiprocessing.Process(target=write_list, args=(listed, count))
    writing.start()
    writing.join()
    words = ["--crawler", str(listed), "--driver-version", "v0.1.0", "-o", str(ours)]
    # All of them, as the peer gives all; one run of the nightly defers what it cannot publish.
    words += ["--max-builds", "999999"]
    kmodbot = [sys.executable, "-m", "kmodbot.discovery.matrix", *words]
    jq = ["jq", "-c", "-f", str(_HERE / "matrix.jq"), str(listed)]
    runs: dict[str, list[Run]] = {"kmodbot": [], "jq": []}
    for _ in range(rounds):
        # By turns, so that a slow moment of the machine meets both.
        runs["kmodbot"].append(measure(kmodbot, directory / "table.txt"))
        runs["jq"].append(measure(jq, theirs))
    if builds(ours) != builds(theirs) or len(builds(ours)) != count:
        print("bench.matrix: the two matrices differ", file=sys.stderr)
        return 1
    return _report(count, listed.stat().st_size, runs)


def _report(count: int, size: int, runs: dict[str, list[Run]]) -> int:
    medians = {name: statistics.median(run.seconds for run in runs[name]) for name in runs}
    peaks = {name: max(run.mebibytes for run in runs[name]) for name in runs}
    ratios = {name: medians[name] / medians["jq"] for name in runs}
    rows = [
        (name, str(count), f"{medians[name]:.2f}", f"{ratios[name]:.2f}", f"{peaks[name]:.0f}")
        for name in runs
    ]
    print(markdown(("list to matrix", "kernels", "seconds", "of jq", "MiB"), rows))
    met = ratios["kmodbot"] <= _MOST_OF_JQ and peaks["kmodbot"] <= _MOST_MIB
    figures = f"at most {_MOST_OF_JQ} of jq and {_MOST_MIB:.0f} MiB"
    print(f"\n{size / 1e6:.1f} MB of JSON; {figures}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def measure(command: Sequence[str], output: Path) -> Run:
    """Run a command with its standard output in a file; CalledProcessError when it fails."""
    with output.open("wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=stream)
        # wait4 gives the usage of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(seconds, usage.ru_maxrss / 1024)


def builds(path: Path) -> set[tuple[str, ...]]:
    """Return every build of a matrix."""
    keys = ("driver_version", "distribution", "distro_version", "architecture")
    return {
        (*(job[key] for key in keys), release)
        for chunk in json.loads(path.read_text(encoding="utf-8"))["chunks"]
        for job in chunk
        for release in job["kernels"]
    }


def write_list(path: Path, count: int) -> None:
    """Write a list of so many kernels, in the layout of kernel-crawler."""
    path.write_text(json.dumps(make_list(count), indent=2), encoding="utf-8")


def make_list(count: int) -> dict[str, list[dict[str, Any]]]:
    """Return a list in the proportions of a real one, with as many different kernels."""
    rest = count // 10
    return {
        "ubuntu": list(_ubuntu(count - 4 * rest)),
        "debian": list(_debian(rest)),
        "fedora": list(_rpm(rest, "fedora", "6.{0}.{1}-200.fc43.x86_64")),
        "centos": list(_rpm(rest, "centos", "5.14.0-{0}.{1}.el9.x86_64")),
        "amazonlinux2023": list(_rpm(rest, "amazonlinux2023", "6.1.{0}-{1}.1.amzn2023.x86_64")),
    }


def _ubuntu(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        flavour, abi = _FLAVOURS[number % 8], 1000 + number // 8
        series, tag, suffix = _UBUNTU[number % 3]
        upload, source = f"{abi + 3}{tag}", f"linux-{flavour}{suffix}"
        version = f"{series}-{abi}.{upload}"
        names = (
            f"linux-headers-{series}-{abi}-{flavour}_{version}_amd64.deb",
            f"{source}-headers-{series}-{abi}_{version}_all.deb",
        )
        headers = [f"{mirror}/{_POOL}/{source}/{name}" for mirror in _MIRRORS for name in names]
        yield _entry(f"ubuntu-{flavour}", f"{series}-{abi}-{flavour}", upload, headers)


def _debian(count: int) -> Iterator[dict[str, Any]]:
    place = f"http://deb.debian.org/debian/{_POOL}/linux"
    for number in range(40, 40 + count):
        version, release = f"6.12.{number}-1", f"6.12.{number}+deb13"
        headers = [
            f"{place}/linux-headers-{release}-amd64_{version}_amd64.deb",
            f"{place}/linux-headers-{release}-common_{version}_all.deb",
            f"{place}/linux-kbuild-{release}_{version}_amd64.deb",
        ]
        yield _entry("debian", f"{version}-amd64", "1", headers)


def _rpm(count: int, target: str, shape: str) -> Iterator[dict[str, Any]]:
    for number in range(count):
        release = shape.format(10 + number // 100, number % 100)
        yield _entry(target, release, "1", [f"https://mirror.example/kernel-devel-{release}.rpm"])


def _entry(target: str, release: str, version: str, headers: list[str]) -> dict[str, Any]:
    return {
        "kernelversion": version,
        "kernelrelease": release,
        "target": target,
        "headers": headers,
    }


if __name__ == "__main__":
    sys.exit(main())
