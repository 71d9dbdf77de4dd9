"""JSON as its standard recommends it: no key twice in an object, no constant of JavaScript.

https://www.rfc-editor.org/rfc/rfc8259#section-4
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_strict(document: str | bytes) -> Any:
    """Return the value of a JSON document.

    Raises:
        json.JSONDecodeError: it is not JSON.
        UnicodeDecodeError: it is not text in UTF-8.
        ValueError: something in it cannot be taken as it is; the message names it.

    """
    try:
        return json.loads(
            document, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"the key {name[:60]!a} stands twice in one object")
        content[name] = value
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
