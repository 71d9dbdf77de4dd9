"""What the body of ``POST /build`` asks for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kmodbot.bot.build import Target
from kmodbot.bot.errors import invalid_field
from kmodbot.bot.http.body import parse_object
from kmodbot.bot.requests import Wanted
from kmodbot.kernels import Driver, InvalidInput, Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIRED = ("kernel_version", "architecture", "distribution", "driver_version")
FIELDS = (*REQUIRED, "distro_version", "force")
# Nodes of one kernel send the same bytes; what is longer than any honest body is not kept.
_KEPT, _LONGEST_KEPT = 4096, 1024


class Reader:
    """Reads bodies; the same bytes are read once."""

    def __init__(self, driver: str) -> None:
        self._driver = driver
        self._remembered = functools.lru_cache(_KEPT)(self._parse)

    def read(self, body: bytes) -> Wanted:
        """Return what a body asks for.

        Raises:
            ApiError: 400, for a body that is not JSON, or naming the first field that is unknown,
                missing or wrong.

        """
        return self._remembered(body) if len(body) <= _LONGEST_KEPT else self._parse(body)

    def _parse(self, body: bytes) -> Wanted:
        return parse_wanted(parse_object(body), self._driver)


def parse_wanted(data: dict[str, Any], driver: str) -> Wanted:
    """Validate the fields of a request.

    Raises:
        ApiError: 400, naming the first field that is unknown, missing or wrong.

    """
    for name in data:
        if name not in FIELDS:
            raise invalid_field(_shown(name), f"unknown field; known are {', '.join(FIELDS)}")
    for name in REQUIRED:
        if name not in data:
            raise invalid_field(name, "this field is missing")
    for name, value in data.items():
        expected, fits = _KINDS.get(name, _STRING)
        if not fits(value):
            raise invalid_field(name, f"expected {expected}, not {_json_type(value)}")
    try:
        kernel = Kernel.parse(
            distribution=data["distribution"],
            distro_version=data.get("distro_version"),
            architecture=data["architecture"],
            release=data["kernel_version"],
        )
        target = Target(Driver.parse(driver, data["driver_version"]), kernel)
    except InvalidInput as error:
        raise invalid_field(error.field, error.message) from error
    return Wanted(target, target.key, data.get("force", False))


READER = web.AppKey("reader", Reader)

_Kind = tuple[str, "Callable[[object], bool]"]
_STRING: _Kind = ("a string", lambda value: isinstance(value, str))
_KINDS: dict[str, _Kind] = {
    "distro_version": ("a string", lambda value: value is None or isinstance(value, str)),
    "force": ("true or false", lambda value: isinstance(value, bool)),
}


def _shown(name: str) -> str:
    return ascii(name[:64])[1:-1]


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {
        str: "a string",
        bool: "a boolean",
        list: "an array",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "an object")
