"""The package: legal names, the right place, harmless scripts, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import cast

import pytest

import kmodbot
from kmodbot.kernels import Driver, Kernel
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.package import Contents, depmod_script, describe, legal_name, make_package

from .conftest import kernel

FEDORA = Kernel.parse(
    distribution="fedora", architecture="x86_64", release="6.17.1-300.fc43.x86_64"
)
HELLO = DriverFile(name="hello", modules=("hello",), license="GPL-2.0-only")


def contents(tmp_path: Path, of: Kernel, version: str = "v0.1.0", epoch: int = 1) -> Contents:
    module = tmp_path / "hello.ko"
    module.write_bytes(b"module" * 100)
    return Contents(Driver.parse("hello", version), of, HELLO, [module], epoch)


def dpkg(option: str, package: Path) -> str:
    done = subprocess.run(
        ["dpkg-deb", option, str(package)], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_deb_holds_the_module_where_depmod_prefers_it(tmp_path: Path) -> None:
    package = make_package(contents(tmp_path, kernel()), tmp_path / "work", tmp_path / "out")
    assert package.name == "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"
    info = dpkg("--info", package)
    assert " Package: hello-debian-6.1.0-38-amd64\n Version: 0.1.0\n" in info
    assert " Architecture: amd64\n" in info
    (module,) = (line for line in dpkg("--contents", package).splitlines() if ".ko" in line)
    assert module.startswith("-rw-r--r-- root/root ")
    assert module.endswith(" ./lib/modules/6.1.0-38-amd64/updates/hello.ko")


def test_the_data_of_a_deb_is_gzip(tmp_path: Path) -> None:
    package = make_package(contents(tmp_path, kernel()), tmp_path / "work", tmp_path / "out")
    members = subprocess.run(["ar", "t", str(package)], check=True, capture_output=True, text=True)
    assert members.stdout.split() == ["debian-binary", "control.tar.gz", "data.tar.gz"]


@pytest.mark.parametrize("of", [kernel(), FEDORA], ids=["deb", "rpm"])
def test_the_same_module_makes_the_same_bytes(
    tmp_path: Path, of: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for number in ("first", "second"):
        monkeypatch.setenv("HOME", str(tmp_path / number))
        package = make_package(
            contents(tmp_path, of), tmp_path / number, tmp_path / f"{number}-out"
        )
        made.append(package.read_bytes())
    assert made[0] == made[1]


def test_an_rpm_is_made_from_the_same_description(tmp_path: Path) -> None:
    package = make_package(contents(tmp_path, FEDORA), tmp_path / "work", tmp_path / "out")
    assert package.name == "hello-fedora-6.17.1-300.fc43.x86_64_v0.1.0_amd64.rpm"
    assert package.read_bytes().startswith(b"\xed\xab\xee\xdb")


def test_nothing_but_the_package_is_left_in_the_output(tmp_path: Path) -> None:
    package = make_package(contents(tmp_path, kernel()), tmp_path / "work", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [package]


@pytest.mark.parametrize(
    ("version", "debian"),
    [("v0.1", "0.1"), ("1.2.3.4", "1.2.3.4"), ("v1.0.0-rc.1", "1.0.0~rc.1")],
)
def test_the_version_sorts_as_debian_sorts(tmp_path: Path, version: str, debian: str) -> None:
    package = make_package(
        contents(tmp_path, kernel(), version), tmp_path / "work", tmp_path / "out"
    )
    assert f" Version: {debian}\n" in dpkg("--info", package)


def test_names_are_legal_for_each_package_manager() -> None:
    driver = Driver.parse("hello", "v0.1.0")
    assert legal_name(driver, FEDORA, "deb") == "hello-fedora-6.17.1-300.fc43.x86-64"
    assert legal_name(driver, FEDORA, "rpm") == "hello-fedora-6.17.1-300.fc43.x86_64"


def test_rpm_modules_go_to_extra(tmp_path: Path) -> None:
    description = describe(contents(tmp_path, FEDORA), "rpm", tmp_path / "script")
    *_, entry = cast("list[dict[str, object]]", description["contents"])
    assert entry["dst"] == "/lib/modules/6.17.1-300.fc43.x86_64/extra/hello.ko"


def test_the_script_tells_depmod_about_its_own_kernel_only(tmp_path: Path) -> None:
    script = depmod_script(kernel("6.12.38+deb12-cloud-amd64"))
    assert "release=6.12.38+deb12-cloud-amd64\n" in script
    assert "uname" not in script
    # There is no such kernel on this machine, and then the script has nothing to do.
    subprocess.run(["/bin/sh", "-c", script], check=True, env={"PATH": str(tmp_path)})


def test_the_scripts_are_found_inside_a_zip(tmp_path: Path) -> None:
    root = Path(kmodbot.__file__).parent
    archive = tmp_path / "builder.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(root / "__init__.py", "kmodbot/__init__.py")
        for path in [*(root / "kernels").rglob("*"), *(root / "pipeline").rglob("*")]:
            file.write(path, f"kmodbot/{path.relative_to(root)}")
    code = (
        "from kmodbot.kernels import Kernel; from kmodbot.pipeline import package;"
        "assert '.zip' in package.__file__;"
        "print(package.depmod_script(Kernel('debian', '12', 'x86_64', '6.1.0-38-amd64')))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(archive)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "release=6.1.0-38-amd64" in done.stdout
