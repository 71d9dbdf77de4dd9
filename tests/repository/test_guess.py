"""The first driver.yml: guessed from kbuild's files, or honest about knowing nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kmodbot.pipeline.driver_file import read_driver_file
from kmodbot.pipeline.errors import BadInput
from kmodbot.repository.guess import guess_driver_file

HELLO = Path(__file__).parents[2] / "examples/hello"


def guessed(root: Path, files: dict[str, str]) -> dict[str, object]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    document: dict[str, object] = yaml.safe_load(guess_driver_file(root).text)
    return document


def test_the_example_is_guessed_as_it_is_written() -> None:
    text = guess_driver_file(HELLO).text
    assert "name: hello\ndirectory: .\nmodules: [hello]\n" in text
    document = yaml.safe_load(text)
    written = yaml.safe_load((HELLO / "driver.yml").read_text())
    assert document == {key: written[key] for key in ("name", "directory", "modules")}


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("obj-m := hello.o\n", ["hello"]),
        ("obj-m += one.o two.o  # both\n", ["one", "two"]),
        ("obj-m := one.o \\\n    two.o\n", ["one", "two"]),
        ("obj-$(CONFIG_RIPTIDE) += riptide_core.o\n", ["riptide_core"]),
        ("ifneq ($(KERNELRELEASE),)\n  obj-m = hello.o\nendif\n", ["hello"]),
        ("obj-m += hello.o\nobj-m += hello.o\n", ["hello"]),
        ("obj-m += on.o\n", ["on"]),
    ],
)
def test_the_modules_are_those_of_obj_m(tmp_path: Path, text: str, modules: list[str]) -> None:
    assert guessed(tmp_path, {"Kbuild": text})["modules"] == modules


def test_kbuild_counts_before_the_makefile_and_the_root_before_a_folder(tmp_path: Path) -> None:
    files = {"Kbuild": "obj-m := kbuild.o\n", "Makefile": "obj-m := makefile.o\n"}
    files["src/Makefile"] = "obj-m := folder.o\n"
    assert guessed(tmp_path, files)["modules"] == ["kbuild"]


def test_the_only_folder_with_modules_is_found(tmp_path: Path) -> None:
    files = {"Makefile": "all:\n\techo\n", "src/Kbuild": "obj-m := My_Driver.o\n"}
    assert guessed(tmp_path, files) == {
        "name": "my-driver",
        "directory": "src",
        "modules": ["My_Driver"],
    }


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"README": "nothing"}, "no Kbuild or Makefile"),
        ({"Makefile": "obj-m := $(MODULE).o\n"}, "Makefile says obj-m without the plain name"),
        ({"Makefile": "obj-m := folder/\n"}, "Makefile says obj-m without the plain name"),
        (
            {"one/Kbuild": "obj-m := one.o\n", "two/Kbuild": "obj-m := two.o\n"},
            "one/Kbuild and two/Kbuild make modules each",
        ),
    ],
)
def test_what_cannot_be_known_is_left_to_the_author(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    assert guessed(tmp_path, files) == {"name": None, "modules": []}
    guess = guess_driver_file(tmp_path)
    assert "Please fill in" in guess.text
    assert guess.said.startswith(f"nothing could be guessed: {reason}")
    assert f"# kmodbot init: {guess.said}.\n" in guess.text


def test_a_folder_counts_where_the_root_names_no_module(tmp_path: Path) -> None:
    files = {"Makefile": "obj-m := src/\n", "src/Kbuild": "obj-m := hello.o\n"}
    assert guessed(tmp_path, files)["directory"] == "src"


def test_a_module_that_is_built_with_a_switch_only_says_how_to_set_it(tmp_path: Path) -> None:
    (tmp_path / "Kbuild").write_text("obj-$(CONFIG_HELLO) += hello.o\nhello-objs := a.o\n")
    guess = guess_driver_file(tmp_path)
    assert guess.said == (
        "guessed from Kbuild: name hello, modules hello (built only with CONFIG_HELLO: see its "
        "line make)"
    )
    # As a comment: set on the command line, a switch of the kernel would break the build.
    assert "# make: [CONFIG_HELLO=m]\n" in guess.text
    (tmp_path / "driver.yml").write_text(guess.text.replace("# make:", "make:"))
    assert read_driver_file(tmp_path).make == ("CONFIG_HELLO=m",)


def test_the_builder_takes_a_guess_and_refuses_what_is_not_filled_in(tmp_path: Path) -> None:
    (tmp_path / "driver.yml").write_text(guess_driver_file(tmp_path).text)
    with pytest.raises(BadInput, match=r"driver\.yml: modules"):
        read_driver_file(tmp_path)
    (tmp_path / "Kbuild").write_text("obj-m := hello.o\n")
    (tmp_path / "driver.yml").write_text(guess_driver_file(tmp_path).text)
    assert read_driver_file(tmp_path).modules == ("hello",)
