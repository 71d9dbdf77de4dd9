"""The forms of addresses in the environment."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable


def is_local(host: str) -> bool:
    """Tell whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def http_url(example: str) -> Callable[[str], str]:
    """Return a parser of addresses to which paths are appended, such as ``example``."""

    def parse(value: str) -> str:
        url, _ = _taken_apart(value, f"expected an http(s) address, such as {example}")
        if url.query_string or url.fragment or url.user:
            raise ValueError(f"expected an address without user, ? and #, such as {example}")
        return value.rstrip("/")

    return parse


def safe_url(example: str) -> Callable[[str], str]:
    """Return a parser of addresses whose answers are believed: nobody may change them."""

    def parse(value: str) -> str:
        url, host = _taken_apart(value, f"expected an https address, such as {example}")
        if url.scheme != "https" and not is_local(host):
            raise ValueError(
                f"expected https, such as {example}; http is for addresses of this machine only"
            )
        if "#" in value:
            raise ValueError(f"expected an address without #, such as {example}")
        return value

    return parse


def _taken_apart(value: str, problem: str) -> tuple[URL, str]:
    """Return an address of HTTP with its host; raise ValueError with ``problem`` for others."""
    try:
        url = URL(value)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(problem)
    return url, url.host
