"""What repositories on the disk tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kmodbot.discovery.al2023 import Discovery, RepositorySpec, Unfit, discover
from kmodbot.kernels import ARCHITECTURES, InvalidInput
from tests.discovery.rpmmd.documents import Sample

from .repositories import NOISE, kernel, livepatch, on_disk

DATA = Path(__file__).parents[2] / "data" / "al2023_livepatch_packages.json"
REAL: list[dict[str, Any]] = json.loads(DATA.read_text())


async def found_in(*urls: str, architectures: tuple[str, ...] = ARCHITECTURES) -> Discovery:
    return await discover([RepositorySpec.parse(url) for url in urls], architectures)


def releases(discovery: Discovery) -> list[str]:
    return [item.kernel.release for item in discovery.kernels]


async def test_live_patches_and_the_core_are_united(tmp_path: Path) -> None:
    patches = [livepatch("6.12.58-82.121", number) for number in (1, 2)]
    core = [
        livepatch("6.12.58-82.121", 0),
        kernel("6.12.58-82.121", "kernel6.12"),
        kernel("6.12.58-82.121", "kernel6.12-devel"),
        Sample("system-release", "2023.8.20250707", "0.amzn2023", "noarch"),
        Sample("system-release", "2023.10.20260330", "0.amzn2023", "noarch"),
    ]
    discovery = await found_in(
        on_disk(tmp_path / "lp", [*NOISE, *patches]), on_disk(tmp_path / "core", [*NOISE, *core])
    )
    (entry,) = discovery.kernels
    assert discovery.complete
    assert entry.to_crawler_entry() == {
        "kernelversion": "1",
        "kernelrelease": "6.12.58-82.121.amzn2023.x86_64",
        "target": "amazonlinux2023",
        "headers": [
            (
                tmp_path.parent / "blobstore/0a/kernel6.12-devel-6.12.58-82.121.amzn2023.x86_64.rpm"
            ).as_uri()
        ],
        "kmodbot": {
            "seen_in": [
                {
                    "repository": "core",
                    "package": "kernel6.12-1:6.12.58-82.121.amzn2023.x86_64",
                    "al2023_release": "2023.10.20260330",
                },
                {
                    "repository": "core",
                    "package": "kernel6.12-devel-1:6.12.58-82.121.amzn2023.x86_64",
                    "al2023_release": "2023.10.20260330",
                },
                {
                    "repository": "core",
                    "package": "kernel-livepatch-6.12.58-82.121-1.0-0.amzn2023.x86_64",
                    "al2023_release": "2023.10.20260330",
                },
                {
                    "repository": "livepatch",
                    "package": "kernel-livepatch-6.12.58-82.121-1.0-1.amzn2023.x86_64",
                },
                {
                    "repository": "livepatch",
                    "package": "kernel-livepatch-6.12.58-82.121-1.0-2.amzn2023.x86_64",
                },
            ],
            "devel": "present",
        },
    }
    assert list(entry.to_crawler_entry()) == [
        "kernelversion",
        "kernelrelease",
        "target",
        "headers",
        "kmodbot",
    ]


async def test_every_line_of_kernels_is_found_and_sorted_by_number(tmp_path: Path) -> None:
    core = [
        kernel("6.12.100-1.2", "kernel6.12"),
        kernel("7.3.1-2.3", "kernel7.3-devel"),
        kernel("6.12.58-82.121", "kernel6.12"),
        kernel("6.1.134-150.224"),
        kernel("6.18.8-9.213", "kernel6.18"),
        kernel("6.12.35-55.103", "kernel-devel"),
    ]
    discovery = await found_in(on_disk(tmp_path, core))
    assert releases(discovery) == [
        f"{base}.amzn2023.x86_64"
        for base in (
            "6.1.134-150.224",
            "6.12.35-55.103",
            "6.12.58-82.121",
            "6.12.100-1.2",
            "6.18.8-9.213",
            "7.3.1-2.3",
        )
    ]


@pytest.mark.parametrize(
    ("devel", "state"),
    [
        (kernel("6.1.134-150.224", "kernel-devel"), "present"),
        (kernel("6.1.134-150.224", "kernel6.1-devel"), "present"),
        (kernel("6.1.134-150.225", "kernel-devel"), "missing"),
        (kernel("6.1.134-150.224", "kernel-devel", epoch="0"), "missing"),
        (kernel("6.1.134-150.224", "kernel-devel", arch="aarch64"), "missing"),
        (kernel("6.1.134-150.224", "kernel-headers"), "missing"),
    ],
)
async def test_headers_count_only_when_they_are_of_that_very_kernel(
    tmp_path: Path, devel: Sample, state: str
) -> None:
    discovery = await found_in(on_disk(tmp_path, [kernel("6.1.134-150.224"), devel]))
    states = {item.kernel.release: item.devel for item in discovery.kernels}
    assert states["6.1.134-150.224.amzn2023.x86_64"] == state


async def test_an_orphan_is_listed_and_marked(tmp_path: Path) -> None:
    core = [kernel("6.1.182-227.379"), kernel("6.1.182-227.379", "kernel-devel")]
    discovery = await found_in(
        on_disk(tmp_path / "lp", [livepatch("6.1.182-227.378")]), on_disk(tmp_path / "core", core)
    )
    assert [item.devel for item in discovery.kernels] == ["missing", "present"]
    assert "headers" not in discovery.kernels[0].to_crawler_entry()


async def test_one_url_per_architecture(tmp_path: Path) -> None:
    for name in ARCHITECTURES:
        on_disk(tmp_path / name, [livepatch("6.1.134-150.224", arch=name)])
    url = f"{tmp_path.as_uri()}/$basearch"
    both = await found_in(url)
    one = await found_in(url, architectures=("arm64",))
    assert [item.kernel.architecture for item in both.kernels] == ["aarch64", "x86_64"]
    assert [outcome.architectures for outcome in both.outcomes] == [("aarch64",), ("x86_64",)]
    assert [item.kernel.architecture for item in one.kernels] == ["aarch64"]


async def test_a_mixed_repository_gives_the_architectures_asked_for(tmp_path: Path) -> None:
    mixed = [livepatch("6.1.134-150.224", arch=name) for name in ARCHITECTURES]
    url = on_disk(tmp_path, mixed)
    assert len((await found_in(url)).kernels) == 2
    assert releases(await found_in(url, architectures=("x86_64",))) == [
        "6.1.134-150.224.amzn2023.x86_64"
    ]
    with pytest.raises(InvalidInput, match="architecture: expected x86_64"):
        await found_in(url, architectures=("riscv64",))


async def test_amazon_linux_2_is_recognised_and_left_out(tmp_path: Path) -> None:
    old = livepatch("5.10.102-99.473", 0, dist="amzn2")
    discovery = await found_in(on_disk(tmp_path / "a", [old, livepatch("6.1.134-150.224")]))
    (left_out,) = discovery.unsupported
    assert releases(discovery) == ["6.1.134-150.224.amzn2023.x86_64"]
    assert left_out.package == "kernel-livepatch-5.10.102-99.473-1.0-0.amzn2.x86_64"
    assert left_out.reason == "amazonlinux '2' is not supported; expected one of 2023"
    alone = await found_in(on_disk(tmp_path / "b", [old]))
    assert "all of an unsupported version: kernel-livepatch-5.10" in alone.outcomes[0].reason


FEDORA = Sample("kernel", "6.14.0", "100.fc42")


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "is an empty repository"),
        ([FEDORA], "is a repository of another distribution.*kernel-6.14.0-100.fc42.x86_64"),
        ([Sample("bash")], "names no Amazon Linux 2023 kernel in 1 packages"),
    ],
)
async def test_the_wrong_repository_is_unknown_and_unfit(
    tmp_path: Path, samples: list[Sample], reason: str
) -> None:
    discovery = await found_in(on_disk(tmp_path, samples))
    (outcome,) = discovery.outcomes
    assert (outcome.status, outcome.unfit) == ("unknown", True)
    assert not discovery.complete
    assert re.search(reason, outcome.reason)


async def test_a_source_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    url = on_disk(tmp_path / "lp", [livepatch("6.1.134-150.224")])
    core = on_disk(tmp_path / "core", [kernel("6.1.134-150.224")])
    primary = tmp_path / "core/repodata/primary.xml.gz"
    primary.write_bytes(primary.read_bytes()[:-1])
    discovery = await found_in(url, core)
    assert [outcome.status for outcome in discovery.outcomes] == ["ok", "unknown"]
    assert "primary.xml.gz: has" in discovery.outcomes[1].reason
    assert discovery.outcomes[0].kernels == len(discovery.kernels) == 1


@pytest.mark.parametrize("compression", ["gz", "zst", "xz", "bz2", "none"])
async def test_any_compression_will_do(tmp_path: Path, compression: str) -> None:
    url = on_disk(tmp_path, [livepatch("6.1.134-150.224")], compression)
    assert len((await found_in(url)).kernels) == 1


@pytest.mark.parametrize(
    "url", ["/srv/repository", "cdn.example", "ftp://cdn.example/", "https://"]
)
def test_what_is_no_url_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(Unfit, match=r"expected (file|https)://"):
        RepositorySpec.parse(url)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(Unfit) as refusal:
        RepositorySpec.parse("https://me:hunter2@cdn.example/")
    assert "hunter2" not in str(refusal.value)


async def test_every_real_package_is_found_among_the_noise(tmp_path: Path) -> None:
    samples = [*NOISE]
    for entry in REAL:
        name, version, release = entry["nvr"].rsplit("-", 2)
        samples += [Sample(name, version, release, arch) for arch in ARCHITECTURES]
    discovery = await found_in(on_disk(tmp_path, samples))
    expected = {entry["kernelrelease_x86_64"] for entry in REAL}
    expected |= {release.replace(".x86_64", ".aarch64") for release in expected}
    assert set(releases(discovery)) == expected
    assert len(discovery.kernels) == len(expected)
    sightings = {seen.package for item in discovery.kernels for seen in item.seen_in}
    assert sightings == {f"{entry['nvr']}.{arch}" for entry in REAL for arch in ARCHITECTURES}
