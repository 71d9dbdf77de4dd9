"""Damaged, tampered and hostile files are refused by name."""

from __future__ import annotations

import gzip
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kmodbot.discovery.rpmmd import Digest, Item, MetadataError, Package, read_primary
from kmodbot.discovery.rpmmd import compression as compression_module

from .documents import COMPRESSIONS, Sample, primary_xml, sha256, write

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = primary_xml([Sample("kernel"), Sample("bash")] * 200).encode()


def names(path: Path, item: Item) -> list[str]:
    return [package.name for package in read_primary(path, item).packages]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_told_by_its_magic_number(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "primary.without-a-telling-name"
    assert names(path, write(path, DOCUMENT, compression)) == ["kernel", "bash"] * 200


@pytest.mark.parametrize("module", ["zlib", "isal.isal_zlib"])
def test_gzip_is_read_with_and_without_igzip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    inflater = pytest.importorskip(module)
    monkeypatch.setattr(compression_module, "_zlib", inflater)
    path = tmp_path / "primary.xml.gz"
    item = write(path, DOCUMENT)
    assert len(names(path, item)) == 400
    data = path.read_bytes()[:-30]
    path.write_bytes(data)
    cut = replace(item, checksum=sha256(data), size=len(data))
    with pytest.raises(MetadataError, match="is damaged or truncated"):
        names(path, cut)
    data = data[:20] + b"\xff" * 40 + data[60:]
    path.write_bytes(data)
    with pytest.raises(MetadataError, match="is damaged or truncated"):
        names(path, replace(cut, checksum=sha256(data)))


@pytest.mark.parametrize("compression", sorted(set(COMPRESSIONS) - {"none"}))
def test_files_in_several_parts_are_read_whole(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "primary"
    item = write(path, DOCUMENT, "none")
    compress = COMPRESSIONS[compression]
    data = compress(DOCUMENT[:5000]) + compress(DOCUMENT[5000:])
    path.write_bytes(data)
    item = replace(item, checksum=sha256(data), size=len(data))
    assert len(names(path, item)) == 400


@pytest.mark.parametrize("compression", sorted(set(COMPRESSIONS) - {"none"}))
def test_a_truncated_file_is_refused_whatever_the_index_says(
    tmp_path: Path, compression: str
) -> None:
    path = tmp_path / "primary.xml"
    data = COMPRESSIONS[compression](DOCUMENT)[:-30]
    path.write_bytes(data)
    url = "https://repo.example/primary.xml"
    item = Item("primary", url, sha256(data), len(data), None, None)
    with pytest.raises(MetadataError, match=r"https://repo.example/primary.xml: "):
        read_primary(path, item)


@pytest.mark.parametrize("at", [12, 100, -9, -1])
def test_one_changed_byte_is_refused_with_both_digests(tmp_path: Path, at: int) -> None:
    path = tmp_path / "primary.xml.gz"
    item = write(path, DOCUMENT)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    found = sha256(bytes(data))
    with pytest.raises(MetadataError) as refusal:
        read_primary(path, item)
    assert refusal.value.file == "https://repo.example/primary.xml.gz"
    assert refusal.value.reason == f"has the checksum {found}, {item.checksum} was stated"


def test_other_contents_in_a_right_envelope_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "primary.xml.gz"
    item = write(path, DOCUMENT)
    other = replace(item, open_checksum=Digest("sha256", "0" * 64))
    with pytest.raises(MetadataError, match=r"decompressed has the checksum sha256:.* sha256:0000"):
        read_primary(path, other)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"size": 10}, "is longer than the 10 bytes stated"),
        ({"size": 10**6}, "has [0-9]+ bytes, 1000000 were stated"),
        ({"open_size": 10}, "decompressed is longer than the 10 bytes stated"),
        ({"open_size": 10**7}, "decompressed has [0-9]+ bytes, 10000000 were stated"),
    ],
)
def test_sizes_are_checked(tmp_path: Path, stated: dict[str, int], reason: str) -> None:
    path = tmp_path / "primary.xml.gz"
    item = write(path, DOCUMENT)
    fields = {"size": item.size, "open_size": item.open_size, **stated}
    wrong = Item(
        item.type, item.url, item.checksum, fields["size"], item.open_checksum, fields["open_size"]
    )
    with pytest.raises(MetadataError, match=reason):
        read_primary(path, wrong)


@pytest.mark.parametrize("compression", sorted(set(COMPRESSIONS) - {"none"}))
def test_a_decompression_bomb_is_stopped_while_it_grows(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "primary.xml"
    bomb = DOCUMENT[: DOCUMENT.index(b"<description>") + 13] + b" " * (1 << 28)
    item = replace(write(path, bomb, compression), open_size=None, open_checksum=None)
    tracemalloc.start()
    try:
        with pytest.raises(MetadataError, match=r"bomb|Text node too long"):
            read_primary(path, item)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_the_cap_on_growth_holds_without_a_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression_module, "MAX_OPEN_SIZE", 1 << 20)
    path = tmp_path / "primary.xml.gz"
    path.write_bytes(gzip.compress(b"<" + b"a" * (1 << 22)))
    with (
        path.open("rb") as stream,
        pytest.raises(MetadataError, match=r"primary: grows past .* a decompression bomb"),
    ):
        list(compression_module.decompressed(stream, "primary"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0ZCK1\x00\x01", "is zchunk, which is not read"),
        (b"%PDF-1.7", "not gzip, zstd, xz, bzip2 or XML"),
        (b"", "not gzip, zstd, xz, bzip2 or XML"),
    ],
)
def test_an_unknown_format_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "primary"
    item = write(path, data, "none")
    with pytest.raises(MetadataError, match=reason):
        read_primary(path, item)


def test_a_package_of_unusual_size_is_read_by_either_way(tmp_path: Path) -> None:
    path = tmp_path / "primary.xml.gz"
    large = Sample("kernel", description="word " * 1_200_000)
    item = write(path, primary_xml([large, Sample("bash")]).encode())
    result = read_primary(path, item)
    assert not result.canonical
    assert [package.name for package in result.packages] == ["kernel", "bash"]
    assert isinstance(result.packages[0], Package)
