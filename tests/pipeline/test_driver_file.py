"""driver.yml is validated strictly: a typing error must not become a wrong package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.driver_file import DriverFile, parse_driver_file, read_driver_file
from kmodbot.pipeline.errors import BadInput

from .conftest import HELLO

if TYPE_CHECKING:
    from pathlib import Path


def test_the_example_is_valid() -> None:
    example = read_driver_file(HELLO)
    assert example.modules == ("hello",)
    assert example.parameters == {"hello": ("whom", "times")}


def test_name_and_modules_are_enough() -> None:
    expected = DriverFile(name="hello", modules=("hello",))
    assert parse_driver_file({"name": "hello", "modules": ["hello"]}) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modules": []}, "modules: name at least one"),
        ({"modules": "hello"}, "modules: expected a list"),
        ({"modules": ["hello.ko"]}, "'hello.ko' is not a module's name"),
        ({"modules": ["../hello"]}, "is not a module's name"),
        ({"modules": ["hello", "hello"]}, "named twice"),
        ({"module": ["hello"]}, "unknown module; known are name"),
        ({"name": ""}, "name: must not be empty"),
        ({"name": 7}, "name: expected one line"),
        ({"directory": "../other"}, "must lie inside"),
        ({"directory": "/etc"}, "must lie inside"),
        ({"description": "two\nlines"}, "description: expected one line"),
        ({"maintainer": "$HOME"}, "maintainer: expected one line"),
        ({"maintainer": "Me"}, "maintainer: expected Name <address> such as .*, got 'Me'"),
        ({"maintainer": "<me@acme.example>"}, "maintainer: expected Name <address>"),
        ({"maintainer": "Me <me>"}, "maintainer: expected Name <address>"),
        ({"make": ["-f", "evil.mk"]}, "not of the form NAME=value"),
        ({"make": ["A=1\nB=2"]}, "not of the form NAME=value"),
        ({"make": ["CC=clang"]}, "CC is set by the builder"),
        ({"make": ["KBUILD_MODPOST_WARN=1"]}, "KBUILD_MODPOST_WARN is set by the builder"),
        ({"make": ["LLVM=1"]}, "LLVM is set by the builder"),
        ({"make": ["FOO=$BAR"]}, r"make: in 'FOO=\$BAR' write \$\(BAR\) for a variable of make"),
        (
            {"build": ["make", "KDIR=$KERNEL_DIR"]},
            r"build: in 'KDIR=.*' write \$\(KERNEL_DIR\) for",
        ),
        ({"build": ["sh", "-c", "make K=$K"]}, r"\$\{K\} for one of a shell"),
        ({"build": ["make", "A=1$"]}, r"\$\$ for a dollar sign"),
        ({"build": ["make", "A=$$$B"]}, r"write \$\(B\)"),
        ({"build": "make all"}, "build: expected a list"),
        ({"build": []}, "build: expected a program"),
        ({"build": ["make", ""]}, "build: expected a program"),
        ({"build": ["make", "a\nb"]}, "build: expected a program"),
        ({"build": ["make"], "make": ["A=1"]}, "make: is for kbuild; put settings into build"),
        ({"parameters": ["whom"]}, "parameters: expected a mapping"),
        ({"parameters": {"other": ["whom"]}}, "'other' is not among the modules"),
        ({"parameters": {"hello": "whom"}}, "parameters: hello: expected a list"),
        ({"parameters": {"hello": ["who m"]}}, "parameters: hello: expected a list"),
    ],
)
def test_a_wrong_key_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_driver_file({"name": "hello", "modules": ["hello"], **change})


@pytest.mark.parametrize("setting", ["KDIR=$(KERNEL_DIR)", "KDIR=${KERNEL_DIR}", "PRICE=1$$"])
def test_a_driver_may_bring_a_build_command_of_its_own(setting: str) -> None:
    words = ["make", setting]
    driver = parse_driver_file({"name": "hello", "modules": ["hello"], "build": words})
    assert driver.build == tuple(words)


@pytest.mark.parametrize("maintainer", ["Acme <drivers@acme.example>", "J. Doe, Jr. <j@localhost>"])
def test_a_maintainer_has_a_name_and_an_address(maintainer: str) -> None:
    document = {"name": "hello", "modules": ["hello"], "maintainer": maintainer}
    assert parse_driver_file(document).maintainer == maintainer


@pytest.mark.parametrize("document", [None, [], "name: hello", 3])
def test_something_else_than_a_mapping_is_refused(document: object) -> None:
    with pytest.raises(BadInput, match="expected a mapping"):
        parse_driver_file(document)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"driver\.yml: not found"):
        read_driver_file(tmp_path)


def test_yaml_that_makes_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "driver.yml").write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(BadInput, match="not readable as YAML"):
        read_driver_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: hello\nmodules: [hello]\nmodules: [other]\n", "line 3: 'modules' stands there"),
        ("name: hello\nmodules: [hello]\nparameters: {hello: [a], hello: [b]}\n", "'hello' stands"),
    ],
)
def test_a_key_that_is_repeated_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "driver.yml").write_text(text)
    with pytest.raises(BadInput, match=rf"^driver\.yml: .*{message}"):
        read_driver_file(tmp_path)


def test_a_directory_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "out").symlink_to("/etc")
    (source / "driver.yml").write_text("{name: hello, modules: [hello], directory: out}\n")
    with pytest.raises(BadInput, match="leads out of the repository"):
        read_driver_file(source)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "driver.yml").write_text("{name: hello, modules: [hello], directory: out}\n")
    with pytest.raises(BadInput, match="'out' is not a directory"):
        read_driver_file(tmp_path)
