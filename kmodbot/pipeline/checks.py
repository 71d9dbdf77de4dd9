"""What must be true of a module before it is packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.elf import Module, read_module
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.symvers import Symbols, module_name, read_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.driver_file import DriverFile
    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log

# The linker makes it up for position-independent code; the kernel never looks for it.
_NOT_LOOKED_UP = frozenset(["_GLOBAL_OFFSET_TABLE_"])
_MOST_NAMES = 8


@dataclass(frozen=True)
class Surroundings:
    """What a module meets when it is loaded: the kernel's symbols and those built with it."""

    kernel: Symbols
    driver: Symbols
    packed: frozenset[str]
    with_checksums: bool


def collect_modules(directory: Path, driver_file: DriverFile, log: Log) -> list[Path]:
    """Return the module files driver.yml names; raises BuildError naming the absent ones."""
    built: dict[str, Path] = {}
    for path in sorted(directory.rglob("*.ko")):
        other = built.setdefault(path.stem, path)
        if other.read_bytes() != path.read_bytes():
            raise BuildError(
                f"the build made two different {path.name}: {other.relative_to(directory)} and "
                f"{path.relative_to(directory)} (driver.yml: directory)"
            )
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


def surroundings(headers: HeaderTree, directory: Path, modules: Sequence[str]) -> Surroundings:
    """Return what `modules`, built in `directory`, may count on in a kernel with `headers`."""
    return Surroundings(
        kernel=read_symbols([headers.path / "Module.symvers"]),
        driver=read_symbols(sorted(directory.rglob("Module.symvers"))),
        packed=frozenset(map(module_name, modules)),
        with_checksums=headers.config.get("CONFIG_MODVERSIONS") == "y",
    )


def check_module(
    path: Path, request: Request, driver_file: DriverFile, around: Surroundings, log: Log
) -> Module:
    """Read the module at `path`; raises BuildError when the kernel asked for could not load it."""
    try:
        module = read_module(path.read_bytes())
    except BuildError as error:
        raise BuildError(f"{path.name}: {error}") from None
    check_kernel(path.name, module, request.kernel)
    check_symbols(path.name, module, around)
    check_parameters(path.name, module, driver_file.parameters.get(path.stem, ()))
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


def check_symbols(name: str, module: Module, around: Surroundings) -> None:
    """Raise BuildError when `module` needs what it will not find in the kernel.

    The kernel's build only warns of some of this when a driver's Makefile tells it to.
    """
    known = around.kernel.checksums.keys() | around.driver.checksums.keys() | _NOT_LOOKED_UP
    unknown = sorted(module.undefined - known)
    if unknown:
        raise BuildError(f"{name}: the kernel has no {_shortened(unknown)}; it could not be loaded")
    absent = [
        needed
        for needed in module.depends
        if module_name(needed) not in around.kernel.modules | around.packed
    ]
    if absent:
        raise BuildError(
            f"{name}: depends on {', '.join(absent)}, which is neither a module of the kernel "
            "nor packed with it (driver.yml: modules)"
        )
    if around.with_checksums:
        _check_checksums(name, module, around.kernel)


def _check_checksums(name: str, module: Module, kernel: Symbols) -> None:
    if not module.checksums:
        raise BuildError(
            f"{name}: carries no checksums of the kernel's symbols, though the kernel has "
            "CONFIG_MODVERSIONS; it was not built with the Module.symvers of its headers"
        )
    other = sorted(
        symbol
        for symbol, checksum in module.checksums.items()
        if kernel.checksums.get(symbol, checksum) != checksum
    )
    if other:
        raise BuildError(
            f"{name}: was built against another {_shortened(other)} than the kernel has; "
            "is an old object file in the driver's repository?"
        )


def check_parameters(name: str, module: Module, expected: Sequence[str]) -> None:
    """Raise BuildError when `module` lacks a parameter that driver.yml promises."""
    missing = [parameter for parameter in expected if parameter not in module.parameters]
    if missing:
        raise BuildError(
            f"{name}: has no parameter {', '.join(missing)}; it has "
            f"{', '.join(sorted(module.parameters)) or 'none'} (driver.yml: parameters)"
        )


def report_version(name: str, module: Module, driver_version: str, log: Log) -> None:
    """Note a MODULE_VERSION that is not the driver version; many drivers have none."""
    version = module.info.get("version")
    if version is not None and version.lstrip("v") != driver_version.lstrip("v"):
        log.note(f"{name}: says it is version {version}, but {driver_version} was asked for")


def strip_module(path: Path, cross_prefix: str) -> None:
    """Remove debug data, which is most of the file and nothing the kernel reads."""
    program = require_program(f"{cross_prefix}strip", "apt-get or dnf install binutils")
    capture([program, "--strip-debug", str(path)])


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
