"""kbuild, or the driver's own build command, run on a copy of the driver's source.

https://docs.kernel.org/kbuild/modules.html
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, find_program, require_program, stream
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.paths import path_maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmodbot.pipeline.ccache import CompilerCache
    from kmodbot.pipeline.compiler import Compiler
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log

# What kbuild makes beside objects. https://docs.kernel.org/kbuild/modules.html
_MADE = ("Module.symvers", "modules.order", "*.ko", "*.mod", "*.mod.c")
# A Makefile that looks where the headers of the running kernel would be.
_RUNNING_KERNEL = re.compile(r"/lib/modules/[^/\s]*/build\b.*No such file or directory")
_USE_KERNEL_DIR = (
    "The driver's Makefile looks for the headers of the kernel that this machine runs. Hand it "
    'those of the kernel asked for, such as build: [make, "KDIR=$(KERNEL_DIR)"] in driver.yml '
    "where it calls them KDIR, or leave build out and let kbuild do it."
)
# What kbuild calls the architectures: the directories below arch/ of the kernel.
_ARCH = {"x86_64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Sources:
    """The driver's source: where it came from and the copy that is built in."""

    original: Path
    copy: Path

    def build_directory(self, driver_file: DriverFile) -> Path:
        """Return the directory of the copy that is built."""
        return self.copy / driver_file.directory


@dataclass(frozen=True)
class Job:
    """All that a compilation is made of; `epoch` is the time it gets, in seconds since 1970."""

    request: Request
    driver_file: DriverFile
    sources: Sources
    headers: HeaderTree
    compiler: Compiler
    cache: CompilerCache | None
    epoch: int

    @property
    def directory(self) -> Path:
        """Where the modules will be."""
        return self.sources.build_directory(self.driver_file)

    @property
    def environment(self) -> dict[str, str]:
        """The variables every build sees, whatever runs it."""
        return {
            "DRIVER_VERSION": self.request.driver_version,
            "KERNEL_VERSION": self.request.kernel.release,
            "SOURCE_DATE_EPOCH": str(self.epoch),
            # A set time also keeps pahole from working in parallel, which shuffles the BTF.
            # https://docs.kernel.org/kbuild/reproducible-builds.html
            "KBUILD_BUILD_TIMESTAMP": f"@{self.epoch}",
            **(self.cache.environment if self.cache else {}),
        }


def copy_sources(original: Path, work: Path, log: Log) -> Sources:
    """Copy `original` below `work`, so that the checkout is never written to.

    What an earlier build left in the repository stays behind and is noted: its symbols would hide
    missing ones, and its modules could be packed. Objects may be part of a driver and are copied.
    """
    copy = work / "source"
    made: list[str] = []

    def skipped(directory: str, names: list[str]) -> set[str]:
        left = {name for name in names if _is_made(Path(directory, name))}
        made.extend(str(Path(directory, name).relative_to(original)) for name in sorted(left))
        return left | ({".git"} & set(names))

    shutil.copytree(original, copy, symlinks=True, ignore=skipped)
    if made:
        log.note(f"left out, because the build makes them itself: {', '.join(made)}")
    return Sources(original, copy)


def _is_made(path: Path) -> bool:
    return any(path.match(pattern) for pattern in _MADE) and not path.is_dir()


def compile_modules(job: Job, log: Log) -> None:
    """Build the driver's modules in the job's directory.

    Raises CommandFailed with the end of the output.
    """
    if job.driver_file.build:
        _run_own_command(job, log)
    else:
        command = [require_program("make", "apt-get or dnf install make"), *kbuild_words(job, log)]
        with log.foreign():
            stream(command, on_line=_indented(log), environment=job.environment)
    if job.cache:
        job.cache.report(log)


def kbuild_words(job: Job, log: Log) -> list[str]:
    """Return what make is told when the driver has a Kbuild file."""
    return [
        f"--jobs={_processors()}",
        f"--directory={job.headers.path}",
        f"M={job.directory}",
        *kbuild_settings(job),
        *btf_settings(job.headers, log),
        *job.driver_file.make,
        "modules",
    ]


def own_environment(job: Job, log: Log) -> dict[str, str]:
    """Return the variables the driver's own build command sees.

    The settings are in MAKEFLAGS as well: a driver's Makefile calls the kernel's, and only there
    they reach it without the driver having to hand them on.
    https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html
    """
    settings = [*kbuild_settings(job), *btf_settings(job.headers, log)]
    flags = (setting.replace("\\", "\\\\").replace(" ", "\\ ") for setting in settings)
    return {
        **job.environment,
        "ARCH": _ARCH[job.request.kernel.architecture],
        "CROSS_COMPILE": job.compiler.cross_prefix,
        "KERNEL_DIR": str(job.headers.path),
        "MAKEFLAGS": " ".join([f"-j{_processors()}", "--", *flags]),
        **dict(setting.split("=", 1) for setting in settings),
    }


def kbuild_settings(job: Job) -> list[str]:
    """Return the settings that pick the compiler and keep this machine's paths out."""
    # Debian's .kernelvariables sets CC to the versioned name; a setting on the command line
    # takes its place, so that a plain gcc of the same version serves too.
    # It fixes CROSS_COMPILE itself where it has to, and then wins over the command line.
    prefix, compiler = job.compiler.cross_prefix, job.compiler.program
    cross = [f"CROSS_COMPILE={prefix}"] if prefix else []
    cached = f"{job.cache.program} {compiler}" if job.cache else compiler
    release = job.request.kernel.release
    maps = " ".join(path_maps(job.sources.copy, job.directory, job.headers, release))
    return [f"CC={cached}", *cross, f"KCFLAGS={maps}", f"KAFLAGS={maps}"]


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
    log.note("BTF: left out, because pahole is missing (install pahole or dwarves)")
    return ["CONFIG_DEBUG_INFO_BTF_MODULES="]


def _run_own_command(job: Job, log: Log) -> None:
    environment = own_environment(job, log)
    log.line(f"compile: {' '.join(job.driver_file.build)}")
    try:
        with log.foreign():
            stream(
                job.driver_file.build,
                on_line=_indented(log),
                cwd=job.directory,
                environment=environment,
            )
    except CommandFailed as error:
        if not _RUNNING_KERNEL.search(error.output):
            raise
        raise BuildError(f"{error}\n{_USE_KERNEL_DIR}") from None
    except (FileNotFoundError, PermissionError) as error:
        program = job.driver_file.build[0]
        raise BadInput(f"driver.yml: build: cannot run {program!r}: {error.strerror}") from None


def _indented(log: Log) -> Callable[[str], None]:
    return lambda line: log.raw(f"    {line}")


def _processors() -> int:
    return os.cpu_count() or 1
