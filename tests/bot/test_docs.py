"""The documentation names everything that exists, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from aiohttp import web

from kmodbot.bot import settings
from kmodbot.bot.auth import reading
from kmodbot.bot.http import add_routes

DOCS = Path(__file__).parents[2] / "docs"


def test_every_variable_is_documented() -> None:
    sources = [ast.parse(Path(str(module.__file__)).read_text()) for module in (settings, reading)]
    nodes = [node for source in sources for node in ast.walk(source)]
    strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
    name = re.compile(r"(GITHUB|KMODBOT|DATABASE|HOST|PORT)[A-Z_]*")
    read = {text for text in strings if isinstance(text, str) and name.fullmatch(text)}
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (DOCS / "configuration.md").read_text(), re.MULTILINE)

    assert set(rows) == read


def test_every_call_is_documented() -> None:
    app = web.Application()
    add_routes(app)
    calls = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    headings = re.findall(r"^## `(.*)`$", (DOCS / "api.md").read_text(), re.MULTILINE)

    assert {heading.replace("{id}", "{build_id}") for heading in headings} == calls
