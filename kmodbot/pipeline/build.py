"""One build from source to package, phase by phase."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.ccache import find_ccache
from kmodbot.pipeline.checks import check_module, collect_modules, strip_module, surroundings
from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.compile import Job, compile_modules, copy_sources
from kmodbot.pipeline.compiler import choose_compiler, machine
from kmodbot.pipeline.disk import disk_errors, require_room
from kmodbot.pipeline.driver_file import read_driver_file
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.headers import fetch_headers
from kmodbot.pipeline.package import Contents, make_package
from kmodbot.pipeline.signing import find_signer
from kmodbot.pipeline.tools import require_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.pipeline.compiler import Compiler
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log
    from kmodbot.pipeline.signing import SigningKey


def build(
    request: Request,
    source: Path,
    output: Path,
    cache: Path,
    log: Log,
    signing: SigningKey | None = None,
) -> Path:
    """Build the driver in `source` for the kernel of `request`; returns the package in `output`.

    With `signing` the modules are signed. Raises BuildError: a later phase never starts when an
    earlier one failed.
    """
    driver_file = read_driver_file(source)
    driver = request.driver(driver_file.name)
    epoch = source_epoch(source, log)
    kernel = request.kernel
    log.line(
        f"build {request.build_id}: {driver.name} {driver.version} for {kernel.distribution} "
        f"{kernel.distro_version} {kernel.architecture} {kernel.release}"
    )
    require_tools(kernel, driver_file)
    with tempfile.TemporaryDirectory(prefix="kmodbot-") as directory:
        work = _usable(Path(directory).resolve())
        run = _Run(request, driver_file, work, cache, epoch, log)
        places = {"TMPDIR": work.parent, "--cache": cache, "--output": output}
        require_room(places)
        with disk_errors(places):
            made = run.make_modules(source, signing)
            with log.phase("package"):
                contents = Contents(driver, kernel, driver_file, made.modules, epoch)
                package = make_package(contents, work / "package", output)
                _report(package, made, log)
    return package


def source_epoch(source: Path, log: Log, environment: Mapping[str, str] = os.environ) -> int:
    """Return the time to give to every file of the package, in seconds since 1970.

    That of the last commit; where it cannot be read, which is noted, it is 0.
    https://reproducible-builds.org/specs/source-date-epoch/
    """
    given = environment.get("SOURCE_DATE_EPOCH")
    if given:
        if not re.fullmatch("[0-9]{1,11}", given):
            raise BadInput(f"SOURCE_DATE_EPOCH: expected seconds since 1970, got {given[:40]!a}")
        return int(given)
    try:
        return _commit_time(source)
    except (BuildError, OSError, ValueError) as error:
        said = str(getattr(error, "output", error)).strip().partition("\n")[0]
        log.note(f"time of the last commit not known, so files are from 1970: {said}")
        return 0


def _commit_time(source: Path) -> int:
    git = require_program("git", "apt-get or dnf install git")
    with tempfile.TemporaryDirectory(prefix="kmodbot-git-") as directory:
        # A checkout made by another user, as in a job's container, would be refused otherwise.
        # Before 2.38 git heeds this in files only. https://git-scm.com/docs/git-config (safe)
        settings = Path(directory, "config")
        settings.write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
        words = ["-C", str(source), "log", "-1", "--no-show-signature", "--format=%ct"]
        return int(capture([git, *words], environment={"GIT_CONFIG_GLOBAL": str(settings)}))


@dataclass(frozen=True)
class _Made:
    modules: list[Path]
    headers: HeaderTree
    compiler: Compiler


@dataclass(frozen=True)
class _Run:
    """The phases of one build up to the finished modules."""

    request: Request
    driver_file: DriverFile
    work: Path
    cache: Path
    epoch: int
    log: Log

    def make_modules(self, source: Path, signing: SigningKey | None) -> _Made:
        with self.log.phase("headers"):
            headers = fetch_headers(self.request.kernel, self.work, self.cache, self.log)
            headers.check_programs(machine())
        with self.log.phase("compile"):
            signer = find_signer(signing, headers, self.log)
            compiler = self._compiler(headers)
            job = self._job(source, headers, compiler)
            compile_modules(job, self.log)
        with self.log.phase("check"):
            modules = self._checked(job)
        if signer:
            with self.log.phase("sign"):
                for path in modules:
                    signer.sign(path)
        return _Made(modules, headers, compiler)

    def _job(self, source: Path, headers: HeaderTree, compiler: Compiler) -> Job:
        return Job(
            request=self.request,
            driver_file=self.driver_file,
            sources=copy_sources(source, self.work, self.log),
            headers=headers,
            compiler=compiler,
            cache=find_ccache(self.cache, self.work),
            epoch=self.epoch,
        )

    def _compiler(self, headers: HeaderTree) -> Compiler:
        version_text = headers.config.get("CONFIG_CC_VERSION_TEXT", "")
        compiler = choose_compiler(version_text, self.request.kernel)
        self.log.line(f"compile: {compiler.program} {compiler.version}; the kernel: {version_text}")
        return compiler

    def _checked(self, job: Job) -> list[Path]:
        modules = collect_modules(job.directory, self.driver_file, self.log)
        around = surroundings(job.headers, job.directory, self.driver_file.modules)
        for path in modules:
            check_module(path, self.request, self.driver_file, around, self.log)
            strip_module(path, job.compiler.cross_prefix)
        return modules


def _report(package: Path, made: _Made, log: Log) -> None:
    log.line(f"package: {package.name} ({package.stat().st_size / 1e3:.1f} kB)")
    log.result(
        package=package.name,
        sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
        headers=made.headers.source,
        compiler=f"{made.compiler.program} {made.compiler.version}",
    )


def _usable(work: Path) -> Path:
    # kbuild splits paths at these: https://docs.kernel.org/kbuild/modules.html
    if re.search(r"[\s:]", str(work)):
        raise BadInput(f"TMPDIR: {work} holds a space or a colon, which kbuild cannot work with")
    return work
