"""kbuild, run on a copy of the driver's source.

https://docs.kernel.org/kbuild/modules.html
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import find_program, require_program, stream

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.compiler import Compiler
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log


@dataclass(frozen=True)
class Sources:
    """The driver's source: where it came from and the copy that is built in."""

    original: Path
    copy: Path

    def build_directory(self, driver_file: DriverFile) -> Path:
        """Return the directory of the copy that holds the Kbuild file."""
        return self.copy / driver_file.directory


def copy_sources(original: Path, work: Path) -> Sources:
    """Copy `original` below `work`, so that the checkout is never written to."""
    copy = work / "source"
    shutil.copytree(original, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    return Sources(original, copy)


def compile_modules(
    request: Request,
    driver_file: DriverFile,
    sources: Sources,
    headers: HeaderTree,
    compiler: Compiler,
    epoch: int,
    log: Log,
) -> Path:
    """Build the driver's modules; returns the directory they are in.

    Raises CommandFailed with the end of make's output.
    """
    directory = sources.build_directory(driver_file)
    command = [
        require_program("make", "apt-get install make"),
        f"--jobs={os.cpu_count() or 1}",
        f"--directory={headers.path}",
        f"M={directory}",
        *kbuild_settings(headers, sources, compiler),
        *btf_settings(headers, log),
        *driver_file.make,
        "modules",
    ]
    environment = {
        "DRIVER_VERSION": request.driver_version,
        "KERNEL_VERSION": request.kernel.release,
        "SOURCE_DATE_EPOCH": str(epoch),
        # A set time also keeps pahole from working in parallel, which shuffles the BTF.
        # https://docs.kernel.org/kbuild/reproducible-builds.html
        "KBUILD_BUILD_TIMESTAMP": f"@{epoch}",
    }
    stream(command, on_line=lambda line: log.raw(f"    {line}"), environment=environment)
    return directory


def kbuild_settings(headers: HeaderTree, sources: Sources, compiler: Compiler) -> list[str]:
    """Return the settings that pick the compiler and keep this machine's paths out."""
    # Debian's .kernelvariables sets CC to the versioned name; a setting on the command line
    # takes its place, so that a plain gcc of the same version serves too.
    # It fixes CROSS_COMPILE itself where it has to, and then wins over the command line.
    cross = [f"CROSS_COMPILE={compiler.cross_prefix}"] if compiler.cross_prefix else []
    maps = f"-ffile-prefix-map={sources.copy}=. -ffile-prefix-map={headers.root}=/headers"
    return [f"CC={compiler.program}", *cross, f"KCFLAGS={maps}", f"KAFLAGS={maps}"]


def btf_settings(headers: HeaderTree, log: Log) -> list[str]:
    """Return the setting that leaves BTF out where it cannot be made.

    Headers with a vmlinux make kbuild call pahole, and without it the build fails after
    everything was compiled. A module without BTF loads and works all the same.
    """
    if not headers.has_vmlinux or not headers.config.get("CONFIG_DEBUG_INFO_BTF_MODULES"):
        return []
    if find_program("pahole"):
        log.note("BTF: included")
        return []
    log.note("BTF: left out, because pahole is missing (apt-get install pahole)")
    return ["CONFIG_DEBUG_INFO_BTF_MODULES="]
