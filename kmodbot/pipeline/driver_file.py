"""driver.yml: what the driver's repository tells the builder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TextIO

import yaml

from kmodbot.kernels import InvalidInput, parse_driver_name
from kmodbot.pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "driver.yml"

_KEYS = (
    "name",
    "directory",
    "modules",
    "parameters",
    "description",
    "maintainer",
    "license",
    "make",
    "build",
)
_MODULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,54}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=[ -~]*")
# How packages name people. https://www.debian.org/doc/debian-policy/ch-controlfields.html#maintainer
_MAINTAINER = re.compile(r"[^<>]*[^<> ] <[^<>@ ]+@[^<>@ ]+>")
# A $ that make understands, or one on its own with the name that follows it.
_DOLLAR = re.compile(r"\$[$({]|\$(?P<name>[A-Za-z0-9_]*)")
# Settings that decide which kernel and compiler a build is for; the builder's own.
_RESERVED = frozenset(
    [
        "ARCH",
        "CC",
        "CONFIG_DEBUG_INFO_BTF_MODULES",
        "CROSS_COMPILE",
        "DRIVER_VERSION",
        "KAFLAGS",
        "KBUILD_EXTMOD",
        # Turns symbols that nothing provides from an error into a warning.
        "KBUILD_MODPOST_WARN",
        "KBUILD_OUTPUT",
        "KCFLAGS",
        "KERNELRELEASE",
        "KERNEL_VERSION",
        "LD",
        "LLVM",
        "M",
        "MO",
        "O",
    ]
)


@dataclass(frozen=True)
class DriverFile:
    """A validated driver.yml.

    `parameters` holds, by module, the parameters it must have; `build` the words of the driver's
    own build command, empty for kbuild.
    """

    name: str
    modules: tuple[str, ...]
    directory: str = "."
    description: str = ""
    maintainer: str = ""
    license: str = ""
    make: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_driver_file(source: Path) -> DriverFile:
    """Read driver.yml at the root of `source`; raises BadInput naming the key that is wrong."""
    driver = parse_driver_file(_load(source))
    _check_directory(source, driver.directory)
    return driver


def read_driver_name(source: Path) -> str:
    """Return the driver's name as driver.yml at the root of `source` has it; raises BadInput.

    Nothing else of the source has to be there, as in a sparse checkout.
    """
    try:
        return parse_driver_name(parse_driver_file(_load(source)).name)
    except InvalidInput as error:
        raise BadInput(f"{FILE_NAME}: name: {error.message}") from None


def _load(source: Path) -> object:
    try:
        # PyYAML takes the name of the file from it for its messages.
        with (source / FILE_NAME).open(encoding="utf-8") as file:
            return _parse(file)
    except FileNotFoundError:
        raise BadInput(
            f"{FILE_NAME}: not found in {source}; it names the modules, and a tag that is built "
            "has to contain it"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{FILE_NAME}: not readable as YAML: {error}") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands in a mapping twice; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                line = key.start_mark.line + 1
                raise BadInput(f"{FILE_NAME}: line {line}: {key.value!r} stands there twice")
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


def _parse(file: TextIO) -> object:
    loader = _Loader(file)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_driver_file(document: object) -> DriverFile:
    """Validate the content of a driver.yml; raises BadInput naming the key that is wrong."""
    if not isinstance(document, dict):
        raise BadInput(f"{FILE_NAME}: expected a mapping with the keys {', '.join(_KEYS)}")
    unknown = sorted(str(key) for key in document if key not in _KEYS)
    if unknown:
        raise BadInput(f"{FILE_NAME}: unknown {', '.join(unknown)}; known are {', '.join(_KEYS)}")
    modules = _words(document, "modules")
    if not modules:
        raise BadInput(f"{FILE_NAME}: modules: name at least one module, such as [hello]")
    return DriverFile(
        name=_text(document, "name"),
        modules=_modules(modules),
        directory=_relative(_text(document, "directory", default=".")),
        description=_text(document, "description", default=""),
        maintainer=_maintainer(_text(document, "maintainer", default="")),
        license=_text(document, "license", default=""),
        make=_settings(_words(document, "make")),
        build=_command(document),
        parameters=_parameters(document, modules),
    )


def _text(document: dict[Any, Any], key: str, default: str | None = None) -> str:
    value = document.get(key, default)
    if value is None:
        raise BadInput(f"{FILE_NAME}: {key}: is missing")
    # nfpm replaces $NAME in some of these by the environment and knows no escape.
    if not isinstance(value, str) or not value.isprintable() or "$" in value or len(value) > 200:
        raise BadInput(f"{FILE_NAME}: {key}: expected one line of at most 200 characters without $")
    if not value and default is None:
        raise BadInput(f"{FILE_NAME}: {key}: must not be empty")
    return value


def _words(document: dict[Any, Any], key: str) -> tuple[str, ...]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{FILE_NAME}: {key}: expected a list of strings")
    return tuple(value)


def _modules(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _MODULE.fullmatch(name):
            raise BadInput(
                f"{FILE_NAME}: modules: {name!r} is not a module's name; "
                "expected letters, digits, - and _, without .ko"
            )
    if len(set(names)) < len(names):
        raise BadInput(f"{FILE_NAME}: modules: the same module is named twice")
    return names


def _maintainer(text: str) -> str:
    if text and not _MAINTAINER.fullmatch(text):
        raise BadInput(
            f"{FILE_NAME}: maintainer: expected Name <address> such as "
            f"'Acme drivers <drivers@acme.example>', got {text!r}"
        )
    return text


def _check_dollars(key: str, words: tuple[str, ...]) -> None:
    """Refuse `$NAME`, which make takes for `$(N)AME`: the setting would silently be another."""
    for word in words:
        for match in _DOLLAR.finditer(word):
            name = match["name"]
            if name is not None:
                raise BadInput(
                    f"{FILE_NAME}: {key}: in {word!r} write $({name or 'NAME'}) for a variable of "
                    f"make, ${{{name or 'NAME'}}} for one of a shell, and $$ for a dollar sign; "
                    "make reads one letter after a plain $"
                )


def _settings(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        match = _SETTING.fullmatch(word)
        if match is None:
            raise BadInput(f"{FILE_NAME}: make: {word!r} is not of the form NAME=value")
        if match.group(1) in _RESERVED:
            raise BadInput(f"{FILE_NAME}: make: {match.group(1)} is set by the builder")
    _check_dollars("make", words)
    return words


def _command(document: dict[Any, Any]) -> tuple[str, ...]:
    words = _words(document, "build")
    if "build" in document and not (words and all(word and word.isprintable() for word in words)):
        raise BadInput(f"{FILE_NAME}: build: expected a program and its words, such as [make]")
    if words and "make" in document:
        raise BadInput(f"{FILE_NAME}: make: is for kbuild; put settings into build")
    _check_dollars("build", words)
    return words


def _parameters(
    document: dict[Any, Any], modules: tuple[str, ...]
) -> Mapping[str, tuple[str, ...]]:
    value = document.get("parameters", {})
    if not isinstance(value, dict):
        raise BadInput(f"{FILE_NAME}: parameters: expected a mapping such as {{hello: [whom]}}")
    for module, names in value.items():
        if module not in modules:
            raise BadInput(f"{FILE_NAME}: parameters: {module!r} is not among the modules")
        good = isinstance(names, list) and all(
            isinstance(name, str) and _PARAMETER.fullmatch(name) for name in names
        )
        if not good:
            raise BadInput(f"{FILE_NAME}: parameters: {module}: expected a list of parameter names")
    return {module: tuple(names) for module, names in value.items()}


def _relative(directory: str) -> str:
    path = PurePosixPath(directory)
    if path.is_absolute() or ".." in path.parts:
        raise BadInput(f"{FILE_NAME}: directory: {directory!r} must lie inside the repository")
    return str(path)


def _check_directory(source: Path, directory: str) -> None:
    root, path = source.resolve(), (source / directory).resolve()
    if path != root and root not in path.parents:
        raise BadInput(f"{FILE_NAME}: directory: {directory!r} leads out of the repository")
    if not path.is_dir():
        raise BadInput(f"{FILE_NAME}: directory: {directory!r} is not a directory")
