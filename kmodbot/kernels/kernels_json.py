"""kernels.json: the list of kernels the fleet has really booted.

One object, architecture -> entries ``{"target", "kernelrelease", "distroversion"}``, written so
that the same kernels give the same bytes whatever the order they came in.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .architectures import ARCHITECTURES
from .errors import InvalidInput
from .kernel import Kernel
from .versions import version_key

Entry = dict[str, Any]
# Where the list lies in the driver's repository.
KERNELS_JSON = ".github/kernels.json"

_FIELD = "kernels.json"
_KEYS = ("target", "distroversion", "kernelrelease")


def read_kernels(document: str) -> list[Kernel]:
    """Return the kernels of a document, in its order.

    Raises ``InvalidInput("kernels.json")`` with the place of the first entry that is no kernel.
    """
    lists = _lists(_load(document))
    return [
        _kernel(architecture, index, entry)
        for architecture, entries in lists.items()
        for index, entry in enumerate(entries)
    ]


def add_kernel(document: str, kernel: Kernel) -> str:
    """Return the document with the kernel in it, sorted; the same text when nothing changes.

    An empty document starts a new list. Keys this function does not know stay as and where they
    are, in entries and at the top. Raises ``InvalidInput("kernels.json")`` when malformed.
    """
    content = _load(document)
    lists = _lists(content)
    entries = lists.setdefault(kernel.architecture, [])
    new = {
        "target": kernel.distribution,
        "kernelrelease": kernel.release,
        "distroversion": kernel.distro_version,
    }
    if all(_identity(entry) != _identity(new) for entry in entries):
        entries.append(new)
    result = _placed(content, {name: sorted(lists[name], key=_order) for name in lists})
    if _same(result, content):
        return document
    return _text(result)


def _load(document: str) -> dict[str, Any]:
    if not document.strip():
        return {}
    try:
        content = json.loads(
            document, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse(f"not JSON at {place} ({error.msg}); repair it or empty the file")
    except (RecursionError, ValueError) as error:
        _refuse(f"cannot be read ({error}); repair it or empty the file")
    if not isinstance(content, dict):
        _refuse('expected an object such as {"x86_64": []} at the top')
    return content


def _lists(content: dict[str, Any]) -> dict[str, list[Entry]]:
    """Return a copy of the entries of each architecture, known to have the keys that matter."""
    lists: dict[str, list[Entry]] = {}
    for architecture in ARCHITECTURES:
        if architecture in content:
            entries = content[architecture]
            if not isinstance(entries, list):
                _refuse(f"{architecture}: expected a list of entries; repair or remove it")
            for index, entry in enumerate(entries):
                _require_entry(f"{architecture}[{index}]", entry)
            lists[architecture] = list(entries)
    return lists


def _require_entry(place: str, entry: object) -> None:
    if not isinstance(entry, dict):
        _refuse(f"{place}: expected an object with {', '.join(_KEYS)}; repair or remove it")
    for key in _KEYS:
        if not isinstance(entry.get(key), str):
            _refuse(f"{place}: {key!r} must be a string; repair or remove the entry")


def _kernel(architecture: str, index: int, entry: Entry) -> Kernel:
    try:
        return Kernel.parse(
            distribution=entry["target"],
            distro_version=entry["distroversion"],
            architecture=architecture,
            release=entry["kernelrelease"],
        )
    except InvalidInput as error:
        _refuse(f"{architecture}[{index}]: {error}; correct or remove the entry")


def _identity(entry: Entry) -> tuple[str, ...]:
    return tuple(entry[key] for key in _KEYS)


def _order(entry: Entry) -> tuple[object, ...]:
    target, distro_version, release = _identity(entry)
    return target, version_key(distro_version), version_key(release)


def _placed(content: dict[str, Any], lists: dict[str, list[Entry]]) -> dict[str, Any]:
    """Return the content with the architectures, in order, at the places they had.

    One that had no place follows the last that had one.
    """
    waiting = sorted(lists)
    places = sum(name in lists for name in content)
    result: dict[str, Any] = {}
    for name, value in content.items():
        if name not in lists:
            result[name] = value
            continue
        places -= 1
        # The last place takes all that are left.
        for architecture in waiting[: len(waiting) if places == 0 else 1]:
            result[architecture] = lists[architecture]
            waiting.remove(architecture)
    for architecture in waiting:
        result[architecture] = lists[architecture]
    return result


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and one == other


def _text(content: dict[str, Any]) -> str:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        _refuse(f"cannot be written as UTF-8 ({error.reason}); repair it")
    return text


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(f"the key {twice!a} stands twice in one object; remove one")
    return content


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON; repair it")


def _refuse(message: str) -> NoReturn:
    raise InvalidInput(_FIELD, message)
