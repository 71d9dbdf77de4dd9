"""The rooms keep to the doors between them, and the old-Python rooms to old Python."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kmodbot"

#: Room -> the rooms it may import. What stands in no room (cli.py) composes them.
DOORS: dict[str, set[str]] = {
    "kernels": set(),
    "discovery": {"kernels"},
    "bot": {"kernels", "discovery"},
    "loader": {"kernels"},
    "pipeline": {"kernels"},
    "sandbox": {"kernels"},
    # It places the files of other rooms and reads them as data.
    "repository": {"kernels"},
}
#: Rooms that run where Python may be 3.9, and what they may import beside the standard library.
OLD_PYTHON: dict[str, set[str]] = {"kernels": set(), "loader": set(), "pipeline": {"yaml"}}

#: Of the standard library, but not of Python 3.9's.
NEWER = {"tomllib"}


def _files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def _id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported_modules(path: Path, source: str) -> set[str]:
    """Return the absolute names of everything a file imports, however deep inside it."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = [*start, node.module] if node.module else list(start)
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def entered_rooms(path: Path, source: str) -> set[str]:
    """Return the other rooms that a file imports from."""
    names = [module.split(".") for module in imported_modules(path, source)]
    rooms = {parts[1] for parts in names if parts[0] == "kmodbot" and len(parts) > 1}
    return (rooms & set(DOORS)) - {_room(path)}


def test_every_folder_with_code_is_a_room() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(DOORS)


@pytest.mark.parametrize("path", _files(*DOORS), ids=_id)
def test_a_room_imports_only_from_the_rooms_it_has_a_door_to(path: Path) -> None:
    assert entered_rooms(path, path.read_text()) <= DOORS[_room(path)]


@pytest.mark.parametrize("path", _files(*OLD_PYTHON), ids=_id)
def test_old_python_can_read_the_file(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))))
    annotated = any(isinstance(node, (ast.FunctionDef, ast.AnnAssign)) for node in nodes)
    # Annotations of a newer style are harmless only while nobody evaluates them.
    assert not annotated or "__future__.annotations" in imported_modules(path, path.read_text())
    assert not {*_keywords(nodes)} & {("dataclass", "slots"), ("dataclass", "kw_only")}
    assert ("zip", "strict") not in _keywords(nodes)


def _keywords(nodes: list[ast.AST]) -> list[tuple[str, str | None]]:
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [(ast.unparse(call.func), keyword.arg) for call in calls for keyword in call.keywords]


@pytest.mark.parametrize("path", _files(*OLD_PYTHON), ids=_id)
def test_a_file_for_old_python_needs_only_the_standard_library(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imported_modules(path, path.read_text())}
    foreign = tops - (sys.stdlib_module_names - NEWER) - {"kmodbot"}
    assert foreign <= OLD_PYTHON[_room(path)]


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import kmodbot.bot.store", {"bot"}),
        ("from kmodbot import bot", {"bot"}),
        ("from kmodbot.bot import store", {"bot"}),
        ("from ..bot import store", {"bot"}),
        ("from .. import bot", {"bot"}),
        ("def late():\n    from ..bot.store import open", {"bot"}),
        ("from . import names", set()),
        ("from kmodbot.kernels import names", set()),
        ("import kmodbot", set()),
    ],
)
def test_no_way_of_importing_goes_unseen(source: str, rooms: set[str]) -> None:
    assert entered_rooms(PACKAGE / "kernels" / "example.py", source) == rooms
