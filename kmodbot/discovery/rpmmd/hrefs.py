"""Where a location in the metadata leads: normalised, and kept on its host."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from .errors import MetadataError


def resolve(base: str, href: str, file: str, xml_base: str = "") -> str:
    """Return the URL of ``href`` in the repository at ``base`` with all ``..`` resolved.

    Raises ``MetadataError`` naming ``file`` when the result leaves the scheme or host of ``base``:
    a repository may point above itself (Amazon's do, to a shared store), never elsewhere.
    """
    directory = base if base.endswith("/") else f"{base}/"
    try:
        start = urljoin(directory, xml_base if xml_base.endswith("/") else f"{xml_base}/")
        url = urljoin(start if xml_base else directory, href)
        same = _origin(url) == _origin(base)
    except ValueError:
        raise MetadataError(file, f"has the location {href[:200]!a}, which is no URL") from None
    if not href or not same or any(letter <= " " for letter in href + xml_base):
        raise MetadataError(file, f"has the location {href[:200]!a}, which leaves {base}")
    return url


def _origin(url: str) -> tuple[str, str | None, int | None, bool]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port, "@" in parts.netloc
