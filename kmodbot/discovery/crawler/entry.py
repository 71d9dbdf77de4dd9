"""One entry of a kernel-crawler list, its shape checked and nothing interpreted."""

from __future__ import annotations

from typing import Any, NamedTuple

_SHOWN = 60
_REMEDY = "fetch the list again or remove the entry"


class Entry(NamedTuple):
    """An entry as it stands in the list.

    ``kernelversion`` is text or, in the lists of 2022, a number. ``headers`` are addresses, none
    when the crawler found none. ``devel`` is ``present``, ``missing`` or ``unknown`` where the
    AL2023 discovery has seen the kernel, else None.
    """

    place: str
    target: str
    kernelrelease: str
    kernelversion: str | int
    headers: tuple[str, ...] = ()
    devel: str | None = None


def shown(value: str) -> str:
    """Return a value of a list as it may stand in a message or a table: short and printable."""
    if len(value) <= _SHOWN and value.isprintable():
        return value
    return ascii(value[:_SHOWN])


def parse_entry(content: dict[str, Any], place: str) -> Entry:
    """Return the entry that a JSON object holds; ``ValueError`` says what is wrong, and where."""
    target, release = content.get("target"), content.get("kernelrelease")
    version, headers = content.get("kernelversion"), content.get("headers")
    if type(target) is not str or not target:
        raise ValueError(_wrong(place, "target", "a text such as ubuntu-generic"))
    if type(release) is not str or not release:
        raise ValueError(_wrong(place, "kernelrelease", "a text such as 6.8.0-50-hwe"))
    if type(version) is not str and type(version) is not int:
        raise ValueError(_wrong(place, "kernelversion", "a text or a whole number"))
    if headers is None:
        headers = ()
    elif type(headers) is not list or not all(type(header) is str for header in headers):
        raise ValueError(_wrong(place, "headers", "a list of addresses"))
    devel = _devel(content["kmodbot"], place) if "kmodbot" in content else None
    return Entry(place, target, release, version, tuple(headers), devel)


def _devel(content: object, place: str) -> str:
    states = ("present", "missing")
    if not isinstance(content, dict) or content.get("devel", states[0]) not in states:
        expected = '"present" or "missing" where it is known'
        raise ValueError(_wrong(place, "kmodbot.devel", expected))
    return str(content.get("devel", "unknown"))


def _wrong(place: str, key: str, expected: str) -> str:
    return f"{place}: {key!r} must be {expected}; {_REMEDY}"
