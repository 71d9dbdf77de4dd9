"""Mirror lists and metalinks."""

from __future__ import annotations

import hashlib

import pytest

from kmodbot.discovery.rpmmd import MetadataError, parse_mirrors

LIST = "https://cdn.example/mirror.list"
INDEX = b"<repomd/>"
OLDER = b"<repomd>older</repomd>"


def metalink(index: bytes = INDEX, older: bytes = OLDER) -> bytes:
    def verification(document: bytes) -> str:
        return f"""<size>{len(document)}</size><verification>
          <hash type="sha1">{hashlib.sha1(document, usedforsecurity=False).hexdigest()}</hash>
          <hash type="sha256">{hashlib.sha256(document).hexdigest()}</hash>
          <hash type="sha512">{hashlib.sha512(document).hexdigest()}</hash></verification>"""

    return f"""<?xml version="1.0" encoding="utf-8"?>
    <metalink version="3.0" xmlns="http://www.metalinker.org/"
        xmlns:mm0="http://fedorahosted.org/mirrormanager">
     <files><file name="repomd.xml">
      <mm0:timestamp>1765000000</mm0:timestamp>{verification(index)}
      <mm0:alternates><mm0:alternate><mm0:timestamp>1764000000</mm0:timestamp>
       {verification(older)}</mm0:alternate></mm0:alternates>
      <resources maxconnections="1">
       <url protocol="rsync" preference="100">rsync://a.example/r/repodata/repomd.xml</url>
       <url protocol="http" preference="70">http://b.example/r/repodata/repomd.xml</url>
       <url protocol="https" preference="90">https://c.example/r/repodata/repomd.xml</url>
       <url protocol="https" preference="70">https://d.example/r/repodata/repomd.xml</url>
      </resources></file></files></metalink>""".encode()


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example/guids/1/x86_64/",
        "https://cdn.example/guids/1/x86_64/\n",
        "\ufeff# a comment\r\n\r\nhttps://cdn.example/guids/1/x86_64/\r\n"[1:],
    ],
)
def test_a_mirror_list_is_lines_of_urls(text: str) -> None:
    assert parse_mirrors(text.encode(), LIST).bases == ("https://cdn.example/guids/1/x86_64/",)


def test_mirrors_keep_their_order_and_come_once() -> None:
    mirrors = parse_mirrors(b"https://b/$basearch\nhttps://a/\nhttps://b/$basearch\n", LIST)
    assert mirrors.bases == ("https://b/$basearch", "https://a/")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"", "names no mirror"),
        (b"# nothing\n", "names no mirror"),
        (b"https://a/\nnot a URL\n", "line 2 is 'not a URL'"),
        (b'{"mirrors": []}', "line 1 is"),
        (b"<metalink/>", "root element metalink"),
        (b'<metalink xmlns="http://www.metalinker.org/"/>', "without a file named repomd.xml"),
        (metalink().replace(b"/repodata/repomd.xml", b"/x"), "without a URL that ends in"),
    ],
)
def test_what_is_no_list_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason):
        parse_mirrors(document, LIST)


@pytest.mark.parametrize("line", [b"file:///etc/", b"http://plain.example/"])
def test_a_list_from_the_network_leads_to_nothing_weaker(line: bytes) -> None:
    with pytest.raises(MetadataError, match="names only mirrors that a list on https"):
        parse_mirrors(line, LIST)


def test_a_list_on_the_disk_may_name_the_disk() -> None:
    assert parse_mirrors(b"file:///srv/r/", "file:///srv/list").bases == ("file:///srv/r/",)


def test_a_metalink_ranks_its_mirrors_and_passes_over_those_we_cannot_ask() -> None:
    mirrors = parse_mirrors(metalink(), LIST)
    assert mirrors.bases == ("https://c.example/r/", "http://b.example/r/", "https://d.example/r/")


def test_a_metalink_states_what_the_index_is() -> None:
    mirrors = parse_mirrors(metalink(), LIST)
    mirrors.check(INDEX, "repomd.xml")
    mirrors.check(OLDER, "repomd.xml")
    with pytest.raises(MetadataError, match=r"repomd.xml: has the checksum sha512:"):
        mirrors.check(b"<repomd\n>", "repomd.xml")


def test_mirrors_without_tls_count_only_where_the_index_is_proven() -> None:
    weak = metalink().replace(b'"sha256"', b'"sha1-x"').replace(b'"sha512"', b'"sha1-y"')
    assert parse_mirrors(weak, LIST).bases == ("https://c.example/r/", "https://d.example/r/")
