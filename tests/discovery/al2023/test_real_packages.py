"""Real packages by rpmbuild, listed by the createrepo_c of the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import ARCHITECTURES
from tests.discovery.rpmmd.documents import Sample

from .repositories import DIST, kernel, livepatch
from .test_discover import REAL, found_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MISSING = [tool for tool in ("rpmbuild", "createrepo_c") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING) and not os.environ.get("CI"), reason=f"not installed: {' '.join(MISSING)}"
)

PACKAGE = """
%package -n {name}
Epoch: {epoch}
Version: {version}
Release: {release}
Summary: A package
{arch}%description -n {name}
A package.
%files -n {name}
"""
SPEC = """
Name: sources-of-the-tests
Version: 1
Release: 1
Summary: A package
License: none
%description
A package.
"""


def build(folder: Path, samples: Iterable[Sample], arch: str) -> None:
    """Build one package of each sample; those of one name come from specs of their own."""
    turns: dict[int, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        turn = next(n for n in range(99) if sample.name not in turns[n])
        turns[turn][sample.name] = sample
    for number, chosen in turns.items():
        spec = folder / f"{arch}-{number}.spec"
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text(SPEC + "".join(map(section, chosen.values())))
        define = [f"_topdir {folder}", "_binary_payload w0.gzdio", f"_sourcedir {folder}"]
        options = [word for text in define for word in ("--define", text)]
        done = subprocess.run(
            ["rpmbuild", "--quiet", "-ba", "--target", arch, *options, str(spec)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def section(sample: Sample) -> str:
    arch = "BuildArch: noarch\n" if sample.arch == "noarch" else ""
    return PACKAGE.format(
        name=sample.name,
        epoch=sample.epoch,
        version=sample.version,
        release=sample.release,
        arch=arch,
    )


def real(arch: str) -> list[Sample]:
    parts = [entry["nvr"].rsplit("-", 2) for entry in REAL]
    return [Sample(name, version, release, arch) for name, version, release in parts]


#: What surrounds them; of the kernels here only 6.12.58-82.121 has its headers.
def surroundings(arch: str) -> list[Sample]:
    return [
        livepatch("6.12.58-82.121", 0, arch),
        kernel("6.12.58-82.121", "kernel6.12", arch),
        kernel("6.12.58-82.121", "kernel6.12-devel", arch),
        kernel("6.12.58-82.121", "kernel6.12-headers", arch),
        Sample("kernel-livepatch-repo-cdn", "2023.9.20251208", f"0.{DIST}", "noarch"),
        Sample("kernel-livepatch-repo-s3", "2023.9.20251208", f"0.{DIST}", "noarch"),
        Sample("kernel-livepatch-6.1.134-150.224-debuginfo", "1.0", f"2.{DIST}", arch),
        livepatch("5.10.102-99.473", 1, arch, "amzn2"),
    ]


def make_repository(folder: Path) -> None:
    for arch in ARCHITECTURES:
        build(folder, [*real(arch), *surroundings(arch)], arch)
    subprocess.run(["createrepo_c", "--quiet", str(folder)], check=True)


async def test_every_real_package_is_found(tmp_path: Path) -> None:
    make_repository(tmp_path)
    discovery = await found_in(tmp_path.as_uri())
    assert discovery.complete
    expected = {entry["kernelrelease_x86_64"] for entry in REAL} | {f"6.12.58-82.121.{DIST}.x86_64"}
    expected |= {release.replace(".x86_64", ".aarch64") for release in expected}
    assert [item.kernel.release for item in discovery.kernels if item.devel == "present"] == [
        f"6.12.58-82.121.{DIST}.aarch64",
        f"6.12.58-82.121.{DIST}.x86_64",
    ]
    assert {item.kernel.release for item in discovery.kernels} == expected
    assert len(discovery.unsupported) == len(ARCHITECTURES)
    (headers, _) = [item.headers[0] for item in discovery.kernels if item.headers]
    assert headers.startswith(tmp_path.as_uri())
    assert headers.endswith(f"kernel6.12-devel-6.12.58-82.121.{DIST}.aarch64.rpm")
