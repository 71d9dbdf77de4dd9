"""Lists and entries as kernel-crawler writes them."""

from __future__ import annotations

import lzma
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"


def list_of_2022() -> bytes:
    """Return the whole x86_64 list that was published on 2022-10-03."""
    return lzma.decompress((DATA / "kernel_crawler_x86_64_2022-10-03.json.xz").read_bytes())


def deb(release: str, version: str, architecture: str = "amd64", source: str = "linux") -> str:
    """Return the address of a headers package."""
    name = f"linux-headers-{release}_{version}_{architecture}.deb"
    return f"http://mirror.example/pool/main/l/{source}/{name}"


def kbuild(series: str, version: str) -> str:
    """Return the address of a kbuild package, which lies beside the headers."""
    name = f"linux-kbuild-{series}_{version}_amd64.deb"
    return f"http://mirror.example/pool/main/l/linux/{name}"
