"""The JSON body of a request, read member by member with GitHub's complaints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kmodbot.sandbox.errors import Refusal, invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


class Body:
    """A JSON object."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str) -> str:
        """Return a string that has to be there."""
        value = self._required(name)
        if not isinstance(value, str):
            raise _wrong_type(name, value, "a string")
        return value

    def maybe_text(self, name: str, default: str | None = None) -> str | None:
        """Return a string, or `default` when it is absent or null."""
        return default if self._members.get(name) is None else self.text(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean, or `default` when it is absent."""
        value = self._members.get(name, default)
        if not isinstance(value, bool):
            raise _wrong_type(name, value, "a boolean")
        return value

    def items(self, name: str, default: list[Any] | None = None) -> list[Any]:
        """Return an array, which has to be there when there is no default."""
        value = self._required(name) if default is None else self._members.get(name, default)
        if not isinstance(value, list):
            raise _wrong_type(name, value, "an array")
        return value

    def mapping(self, name: str) -> dict[str, str]:
        """Return an object of strings, empty when it is absent."""
        value = self._members.get(name, {})
        if not isinstance(value, dict):
            raise _wrong_type(name, value, "an object")
        for key, item in value.items():
            if not isinstance(item, str):
                raise _wrong_type(f"{name}/{key}", item, "a string")
        return value

    def _required(self, name: str) -> Any:
        if name not in self._members:
            raise invalid_request(f"{json.dumps(name)} wasn't supplied.")
        return self._members[name]


async def read_body(request: web.Request) -> Body:
    """Return the body of a request; an empty one counts as an empty object.

    Raises:
        Refusal: it is not a JSON object.

    """
    text = await request.text()
    try:
        members = json.loads(text or "{}")
        # JSON can spell half a character, which nothing can store.
        json.dumps(members, ensure_ascii=False).encode()
    except ValueError as error:
        raise Refusal(400, "Problems parsing JSON") from error
    if not isinstance(members, dict):
        raise Refusal(400, "Body should be a JSON object")
    return Body(members)


def _wrong_type(name: str, value: Any, expected: str) -> Refusal:
    return invalid_request(f"For 'properties/{name}', {json.dumps(value)} is not {expected}.")
