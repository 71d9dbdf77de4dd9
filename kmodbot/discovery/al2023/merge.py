"""Puts discovered kernels into a list of kernel-crawler's without losing anything of it.

kernel-crawler's lists: https://falcosecurity.github.io/kernel-crawler/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kmodbot.kernels import ARCHITECTURES, package_architecture

from .errors import Unfit
from .kernels import MISSING, PRESENT, TARGET

if TYPE_CHECKING:
    from .discovery import Discovery
    from .kernels import DiscoveredKernel

_SHAPE = "an object of distributions, each with a list of kernels, as kernel-crawler writes it"
_ENDING = re.compile(r".*[.-]")


def listing(discovery: Discovery) -> dict[str, Any]:
    """Return the discovered kernels alone in kernel-crawler's shape."""
    return {TARGET: [kernel.to_crawler_entry() for kernel in discovery.kernels]}


def merge(document: dict[str, Any], discovery: Discovery) -> dict[str, Any]:
    """Return a new list with every entry of ``document``, in its order, and every kernel found.

    A kernel that is listed already gets its provenance beside what an earlier merge knew, and
    headers if it had none; the others follow at the end, sorted as given. The older spelling of
    the key, ``AmazonLinux2023``, is found as well. ``document`` must be valid, as ``check_list``
    tells.
    """
    key = next((name for name in document if name.lower() == TARGET), TARGET)
    new = {kernel.kernel.release: kernel for kernel in discovery.kernels}
    old = document.get(key, [])
    known = {entry["kernelrelease"] for entry in old}
    entries = [_with_provenance(entry, new.get(entry["kernelrelease"])) for entry in old]
    entries += [new[release].to_crawler_entry() for release in new if release not in known]
    return document | {key: entries} if entries else dict(document)


def _with_provenance(entry: dict[str, Any], kernel: DiscoveredKernel | None) -> dict[str, Any]:
    if kernel is None:
        return entry
    headers = {} if entry.get("headers") or not kernel.headers else {"headers": [*kernel.headers]}
    known, new = entry.get("kmodbot", {}), kernel.provenance()
    seen = known.get("seen_in", [])
    merged = known | {"seen_in": seen + [item for item in new["seen_in"] if item not in seen]}
    verdicts = {known.get("devel"), new.get("devel")}
    if PRESENT in verdicts or _has_own_headers(entry):
        merged["devel"] = PRESENT
    elif MISSING in verdicts:
        merged["devel"] = MISSING
    return entry | headers | {"kmodbot": merged}


def _has_own_headers(entry: dict[str, Any]) -> bool:
    """Tell whether an address of the entry is of the package with the headers of its release."""
    ending = f"-devel-{entry['kernelrelease']}.rpm"
    return any(unquote(str(address)).endswith(ending) for address in entry.get("headers") or ())


def check_list(document: object, file: str) -> dict[str, Any]:
    """Return a list of kernel-crawler's as it is; ``Unfit`` naming the place of the first fault."""
    if not isinstance(document, dict):
        raise Unfit(file, f"expected {_SHAPE}, got {_kind(document)}")
    for key, entries in document.items():
        if not isinstance(entries, list):
            raise Unfit(f"{file}, {key}", f"expected a list of kernels, got {_kind(entries)}")
        for number, entry in enumerate(entries):
            place = f"{file}, {key}[{number}]"
            if not isinstance(entry, dict):
                raise Unfit(place, f"expected an object, got {_kind(entry)}")
            if not isinstance(entry.get("kernelrelease"), str):
                raise Unfit(place, "expected an object with the key kernelrelease, a string")
            _check_ours(entry, place)
    return document


def _check_ours(entry: dict[str, Any], place: str) -> None:
    if not isinstance(entry.get("headers", []), list | None):
        raise Unfit(f"{place}, headers", f"expected a list, got {_kind(entry['headers'])}")
    known = entry.get("kmodbot", {})
    if not isinstance(known, dict):
        raise Unfit(f"{place}, kmodbot", f"expected an object, got {_kind(known)}")
    if not isinstance(known.get("seen_in", []), list):
        seen = f"expected a list, got {_kind(known['seen_in'])}"
        raise Unfit(f"{place}, kmodbot.seen_in", seen)
    if known.get("devel", PRESENT) not in (PRESENT, MISSING):
        raise Unfit(f"{place}, kmodbot.devel", f'expected "{PRESENT}" or "{MISSING}"')


def listed_architectures(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the architectures that a list is of, judged by the releases that name theirs."""
    releases = [entry["kernelrelease"] for entries in document.values() for entry in entries]
    endings = {_ENDING.sub("", release) for release in releases}
    spellings = {name: (name, package_architecture(name)) for name in ARCHITECTURES}
    return tuple(name for name in ARCHITECTURES if endings.intersection(spellings[name]))


def _kind(value: object) -> str:
    return {"dict": "an object", "list": "a list", "str": "a string", "NoneType": "null"}.get(
        type(value).__name__, type(value).__name__
    )
