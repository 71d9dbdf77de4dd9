"""docs/pipeline.md and --help say what the builder does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kmodbot.pipeline import settings, texts

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "kmodbot" / "pipeline").rglob("*.py"))
PAGE = (ROOT / "docs" / "pipeline.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\bKMODBOT_[A-Z_]+[A-Z]\b")


def literals() -> list[str]:
    """Return every text of the builder, with a mark where a value is put in."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def messages() -> list[str]:
    section = PAGE.partition("## When a build fails")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return [message for row in rows for message in re.findall("`([^`]+)`", row)]


@pytest.mark.parametrize("message", messages())
def test_every_message_of_the_page_is_one_of_the_builder(message: str) -> None:
    texts_of_the_builder = literals()
    for part in filter(None, (part.strip(" :") for part in message.split("…"))):
        if part.startswith("make "):
            part = part.removeprefix("make ")
        assert any(part in text for text in texts_of_the_builder), part


def test_every_variable_is_on_the_page_and_in_the_help() -> None:
    readers = [path for path in SOURCES if path.name not in ("texts.py", "settings.py")]
    used = {name for path in readers for name in VARIABLE.findall(path.read_text("utf-8"))}
    used.add(settings.VARIABLE)
    assert used - set(VARIABLE.findall(PAGE)) == set()
    assert used - set(VARIABLE.findall(texts.BUILD)) == set()
    assert set(VARIABLE.findall(texts.BUILD)) - used == set()
