"""The small reader of repository metadata, against hostile and broken documents."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.rpm.repodata import (
    find_package,
    items,
    primary_location,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = "https://mirror.example/core/guid"
SHA256 = "a" * 64
SPEC = "kernel-devel-6.1.134-150.224.amzn2023.x86_64"
PRIMARY = f"""<?xml version="1.0"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/x">
 <package type="rpm"><name>bash</name><arch>x86_64</arch><version ver="5" rel="1"/></package>
 <package type="rpm">
  <name>kernel-devel</name><arch>x86_64</arch>
  <version epoch="0" ver="6.1.134" rel="150.224.amzn2023"/>
  <checksum type="sha256" pkgid="YES">{SHA256}</checksum>
  <size package="12345" installed="1"/>
  <location href="../../blobstore/77/k%2Bx.rpm"/>
  <format><rpm:provides><rpm:entry name="kernel-devel"/></rpm:provides><name>other</name></format>
 </package>
</metadata>"""
REPOMD = f"""<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>
<data type="filelists"><location href="x"/></data>
<data type="primary"><checksum type="sha256">{SHA256}</checksum><size>77</size>
<location href="repodata/p.xml.gz"/></data></repomd>"""


def written(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress), ("xml", bytes)],
)
def test_a_package_is_found_however_the_list_is_packed(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = written(tmp_path, "list", pack(PRIMARY.encode()))
    found = find_package(path, BASE, f"{BASE}/p.{suffix}", [SPEC])
    assert found.url == "https://mirror.example/blobstore/77/k%2Bx.rpm"
    assert (found.sha256, found.size) == (SHA256, 12345)


def test_a_package_that_is_not_listed_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "list", PRIMARY.encode())
    with pytest.raises(HeadersNotFound, match=f"{BASE}: lists no a or b"):
        find_package(path, BASE, f"{BASE}/p.xml", ["a", "b"])


@pytest.mark.parametrize(
    ("data", "suffix", "reason"),
    [
        (gzip.compress(PRIMARY.encode())[:-20], "gz", "cannot be unpacked"),
        (b"not packed", "gz", "cannot be unpacked"),
        (b"not packed", "xz", "cannot be unpacked"),
        (b"x", "zst", "packed in a way that cannot be read here"),
        (b"<metadata><package>", "xml", "is no XML"),
        (b"<html>", "xml", "is no XML"),
    ],
)
def test_a_broken_list_is_refused(tmp_path: Path, data: bytes, suffix: str, reason: str) -> None:
    with pytest.raises(HeadersNotFound, match=reason):
        find_package(written(tmp_path, "list", data), BASE, f"{BASE}/p.{suffix}", [SPEC])


def test_the_index_tells_where_the_list_is() -> None:
    found = primary_location(REPOMD.encode(), BASE)
    assert (found.url, found.sha256, found.size) == (f"{BASE}/repodata/p.xml.gz", SHA256, 77)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('type="primary"', 'type="primary_db"', "lists no primary metadata"),
        ('type="sha256"', 'type="md5"', "states no sha256"),
        (SHA256, "../../x", "states no sha256"),
        ("repodata/p.xml.gz", "https://other.example/p.xml.gz", "which leaves it"),
        ("repodata/p.xml.gz", "//other.example/p.xml.gz", "which leaves it"),
        ("repodata/p.xml.gz", "http://mirror.example/p.xml.gz", "which leaves it"),
        ("repodata/p.xml.gz", "//[", "which leaves it"),
        ("repodata/p.xml.gz", "", "which leaves it"),
        ("<repomd ", '<!DOCTYPE a [<!ENTITY b "c">]><repomd ', "document type, which is refused"),
    ],
)
def test_an_index_that_cannot_be_believed_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(HeadersNotFound, match=reason):
        primary_location(REPOMD.replace(old, new).encode(), BASE)


def test_an_attribute_may_move_the_base_but_not_to_another_host() -> None:
    assert resolve(BASE, "p/x.rpm", "/all/") == "https://mirror.example/all/p/x.rpm"
    with pytest.raises(HeadersNotFound, match="which leaves it"):
        resolve(BASE, "p/x.rpm", "https://other.example/")


def test_an_element_without_end_is_not_kept_in_memory() -> None:
    def pieces() -> object:
        yield b"<m><package a='"
        while True:
            yield b"x" * 65536

    with pytest.raises(HeadersNotFound, match="endless element"):
        list(items(pieces(), "package"))  # type: ignore[arg-type]


def test_text_and_children_are_kept_only_as_far_as_anything_needs_them() -> None:
    many = "".join(f"<c{number}/>" for number in range(1000))
    document = f"<m><package><name>{'x' * 100_000}</name>{many}</package></m>"
    (item,) = items([document.encode()], "package")
    assert len(item.text("name")) < 10_000
    assert len(item.children) < 100


@given(st.integers(min_value=1, max_value=60))
def test_it_does_not_matter_where_the_pieces_are_cut(length: int) -> None:
    data = PRIMARY.encode()
    pieces = [data[start : start + length] for start in range(0, len(data), length)]
    assert [item.text("name") for item in items(pieces, "package")] == ["bash", "kernel-devel"]
