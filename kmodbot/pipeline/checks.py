"""What must be true of a module before it is packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.elf import Module, read_module
from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log


def collect_modules(directory: Path, driver_file: DriverFile, log: Log) -> list[Path]:
    """Return the module files driver.yml names; raises BuildError naming the absent ones."""
    built = {path.stem: path for path in sorted(directory.rglob("*.ko"))}
    missing = [name for name in driver_file.modules if name not in built]
    if missing:
        raise BuildError(
            f"the build did not make {', '.join(f'{name}.ko' for name in missing)}; "
            f"it made {', '.join(f'{name}.ko' for name in built) or 'no module at all'} "
            "(driver.yml: modules)"
        )
    extra = [name for name in built if name not in driver_file.modules]
    if extra:
        log.note(f"not packed, because driver.yml does not name them: {', '.join(extra)}")
    return [built[name] for name in driver_file.modules]


def check_module(path: Path, request: Request, log: Log) -> Module:
    """Read the module at `path`; raises BuildError when it is not for the kernel asked for."""
    try:
        module = read_module(path.read_bytes())
    except BuildError as error:
        raise BuildError(f"{path.name}: {error}") from None
    check_kernel(path.name, module, request.kernel)
    report_version(path.name, module, request.driver_version, log)
    log.line(f"check: {path.name}: {module.vermagic.strip()} ({module.architecture})")
    return module


def check_kernel(name: str, module: Module, kernel: Kernel) -> None:
    """Raise BuildError when `module` is of another kernel release or architecture."""
    if module.architecture != kernel.architecture:
        raise BuildError(
            f"{name}: built for {module.architecture}, but {kernel.architecture} was asked for"
        )
    release = module.vermagic.split(" ")[0]
    if release != kernel.release:
        raise BuildError(
            f"{name}: its vermagic names {release or 'no kernel'!r}, "
            f"but {kernel.release!r} was asked for; the kernel would refuse it"
        )


def report_version(name: str, module: Module, driver_version: str, log: Log) -> None:
    """Note a MODULE_VERSION that is not the driver version; many drivers have none."""
    version = module.info.get("version")
    if version is not None and version.lstrip("v") != driver_version.lstrip("v"):
        log.note(f"{name}: says it is version {version}, but {driver_version} was asked for")


def strip_module(path: Path, cross_prefix: str) -> None:
    """Remove debug data, which is most of the file and nothing the kernel reads."""
    program = require_program(f"{cross_prefix}strip", "apt-get install binutils")
    capture([program, "--strip-debug", str(path)])
