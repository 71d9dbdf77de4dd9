"""The index: what it states, and where its files may lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.discovery.rpmmd import Digest, MetadataError, parse_repomd, resolve

BASE = "https://cdn.example/al2023/core/guids/0a1b/x86_64/"
PRIMARY = """\
  <data type="primary">
    <checksum type="sha256">{digest}</checksum>
    <open-checksum type="sha256">{digest}</open-checksum>
    <location href="repodata/primary.xml.gz"/>
    <timestamp>1765000000</timestamp>
    <size>1234</size>
    <open-size>56789</open-size>
  </data>
""".format(digest="ab" * 32)


def repomd(*data: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo">\n'
        f"  <revision>1765000000</revision>\n{''.join(data)}</repomd>\n"
    ).encode()


def test_an_index_tells_where_the_packages_are_listed() -> None:
    index = parse_repomd(repomd(PRIMARY), BASE)
    primary = index.primary()
    assert index.revision == "1765000000"
    assert primary.url == f"{BASE}repodata/primary.xml.gz"
    assert primary.checksum == primary.open_checksum == Digest("sha256", "ab" * 32)
    assert (primary.size, primary.open_size) == (1234, 56789)


def test_the_plain_list_is_chosen_beside_other_forms() -> None:
    others = [PRIMARY.replace('"primary"', f'"primary_{form}"') for form in ("db", "zck")]
    index = parse_repomd(repomd(*others, PRIMARY), BASE)
    assert index.primary().type == "primary"
    with pytest.raises(MetadataError, match="lists no primary metadata, only primary_db"):
        parse_repomd(repomd(others[0]), BASE).primary()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("checksum", "sum", "states no checksum for 'primary'"),
        ("location", "place", "has no location for 'primary'"),
        ("sha256", "crc32", "unknown type 'crc32'"),
        ("ab" * 32, "ab" * 20, "is no sha256 checksum"),
        ("<size>1234", "<size>-1", "states the size '-1'"),
        ("repodata/primary", "https://elsewhere.example/primary", "which leaves https://cdn"),
        ("repodata/primary", "//elsewhere.example/primary", "which leaves https://cdn"),
        ("repodata/primary", "file:///etc/passwd", "which leaves https://cdn"),
        ("href=", 'xml:base="http://cdn.example/" href=', "which leaves https://cdn"),
        ('href="repodata/primary.xml.gz"', 'href=""', "which leaves https://cdn"),
    ],
)
def test_an_index_that_cannot_be_trusted_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason) as refusal:
        parse_repomd(repomd(PRIMARY).replace(old.encode(), new.encode()), BASE)
    assert refusal.value.file == f"{BASE}repodata/repomd.xml"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\n  <HTML>", "web page"),
        (b"<repomd/>", "root element repomd"),
        (b"{}", "not well-formed XML, expected the repomd.xml of a repository: .*; check the addr"),
        (b"", "not well-formed"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><repomd>&a;</repomd>", "document type declaration"),
        (repomd(PRIMARY)[:-20], "not well-formed"),
    ],
)
def test_what_is_no_index_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason):
        parse_repomd(document, BASE)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("a.rpm", f"{BASE}a.rpm"),
        ("../../../../blobstore/0a/a.rpm", "https://cdn.example/al2023/blobstore/0a/a.rpm"),
        ("../" * 30 + "a.rpm", "https://cdn.example/a.rpm"),
        ("/a.rpm", "https://cdn.example/a.rpm"),
        ("https://cdn.example/a.rpm", "https://cdn.example/a.rpm"),
        ("g%2B%2B.rpm", f"{BASE}g%2B%2B.rpm"),
    ],
)
def test_a_location_is_normalised(href: str, url: str) -> None:
    assert resolve(BASE, href, "primary.xml") == url
    assert resolve(BASE.rstrip("/"), href, "primary.xml") == url


@pytest.mark.parametrize(
    "href",
    [
        "http://cdn.example/a",
        "https://cdn.example:8443/a",
        "https://user@cdn.example/a",
        "https://cdn.example.org/a",
        "https://[cdn/a",
        "a b",
        "a\nb",
    ],
)
def test_a_location_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(MetadataError):
        resolve(BASE, href, "primary.xml")


@given(st.text(max_size=40))
def test_no_location_leaves_the_host(href: str) -> None:
    try:
        url = resolve(BASE, href, "primary.xml")
    except MetadataError:
        return
    assert url.startswith("https://cdn.example/")


def test_a_base_of_its_own_is_followed_on_the_same_host() -> None:
    url = resolve(BASE, "a.rpm", "primary.xml", "https://cdn.example/other")
    assert url == "https://cdn.example/other/a.rpm"
