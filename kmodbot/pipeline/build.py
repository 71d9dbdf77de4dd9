"""One build from source to package, phase by phase."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.checks import check_module, collect_modules, strip_module
from kmodbot.pipeline.commands import CommandFailed, capture, find_program
from kmodbot.pipeline.compile import compile_modules, copy_sources
from kmodbot.pipeline.compiler import choose_compiler
from kmodbot.pipeline.driver_file import read_driver_file
from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.headers import check_supported, fetch_headers
from kmodbot.pipeline.package import Contents, make_package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.pipeline.compiler import Compiler
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log


def build(request: Request, source: Path, output: Path, cache: Path, log: Log) -> Path:
    """Build the driver in `source` for the kernel of `request`; returns the package in `output`.

    Raises BuildError: a later phase never starts when an earlier one failed.
    """
    check_supported(request.kernel)
    driver_file = read_driver_file(source)
    driver = request.driver(driver_file.name)
    epoch = source_epoch(source)
    kernel = request.kernel
    log.line(
        f"build {request.build_id}: {driver.name} {driver.version} for {kernel.distribution} "
        f"{kernel.distro_version} {kernel.architecture} {kernel.release}"
    )
    with tempfile.TemporaryDirectory(prefix="kmodbot-") as directory:
        work = _usable(Path(directory).resolve())
        modules = _make_modules(request, driver_file, source, work, cache, epoch, log)
        with log.phase("package"):
            contents = Contents(driver, kernel, driver_file, modules, epoch)
            package = make_package(contents, work / "package", output)
            log.line(f"package: {package.name} ({package.stat().st_size / 1e3:.1f} kB)")
    return package


def source_epoch(source: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Return the time to give to every file of the package, in seconds since 1970.

    https://reproducible-builds.org/specs/source-date-epoch/
    """
    given = environment.get("SOURCE_DATE_EPOCH")
    if given:
        if not re.fullmatch("[0-9]{1,11}", given):
            raise BadInput(f"SOURCE_DATE_EPOCH: expected seconds since 1970, got {given[:40]!a}")
        return int(given)
    return _commit_time(source)


def _commit_time(source: Path) -> int:
    git = find_program("git")
    if git is None:
        return 0
    # A checkout made by another user, as in a job's container, would be refused otherwise.
    trust = "safe.directory=*"
    try:
        words = ["-C", str(source), "-c", trust, "log", "-1", "--no-show-signature", "--format=%ct"]
        return int(capture([git, *words]) or 0)
    except CommandFailed:
        return 0


def _make_modules(
    request: Request,
    driver_file: DriverFile,
    source: Path,
    work: Path,
    cache: Path,
    epoch: int,
    log: Log,
) -> list[Path]:
    with log.phase("headers"):
        headers = fetch_headers(request.kernel, work, cache, log)
    with log.phase("compile"):
        compiler = _compiler(headers.config.get("CONFIG_CC_VERSION_TEXT", ""), request, log)
        sources = copy_sources(source, work)
        built = compile_modules(request, driver_file, sources, headers, compiler, epoch, log)
    with log.phase("check"):
        modules = collect_modules(built, driver_file, log)
        for path in modules:
            check_module(path, request, log)
            strip_module(path, compiler.cross_prefix)
    return modules


def _compiler(version_text: str, request: Request, log: Log) -> Compiler:
    compiler = choose_compiler(version_text, request.kernel.architecture)
    log.line(f"compile: {compiler.program} {compiler.version}; the kernel: {version_text}")
    return compiler


def _usable(work: Path) -> Path:
    # kbuild splits paths at these: https://docs.kernel.org/kbuild/modules.html
    if re.search(r"[\s:]", str(work)):
        raise BadInput(f"TMPDIR: {work} holds a space or a colon, which kbuild cannot work with")
    return work
