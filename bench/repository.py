"""A large repository for the measurements, written by createrepo_c."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import createrepo_c  # type: ignore[import-untyped]

PRIMARY = "primary.xml.gz"
SQLITE = "primary.sqlite"
#: What an index would state of the XML files.
STATED = "stated.json"

# One kernel in so many packages, with its headers.
_EVERY = 150
_DIST = "amzn2023"


def make_repository(folder: Path, size: int) -> None:
    """Write the list of ``size`` packages as XML and as database, in a process of its own."""
    # A child counts the largest memory of its parent as its own, so the parent stays small.
    command = [sys.executable, "-m", "bench.repository", str(folder), str(size)]
    subprocess.run(command, check=True)


def _make(folder: Path, size: int) -> None:
    import createrepo_c

    document = createrepo_c.PrimaryXmlFile(str(folder / PRIMARY), createrepo_c.GZ_COMPRESSION)
    document.set_num_of_pkgs(size)
    database = createrepo_c.PrimarySqlite(str(folder / SQLITE))
    chance = random.Random(size)
    words = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=k % 7 + 3)) for k in range(4000)
    ]
    for number in range(size):
        package = _package(number, chance, words)
        document.add_pkg(package)
        database.add_pkg(package)
    document.close()
    database.close()
    rows = (folder / SQLITE).read_bytes()
    (folder / f"{SQLITE}.gz").write_bytes(gzip.compress(rows))
    # What createrepo_c's command line does unless told otherwise.
    (folder / f"{SQLITE}.bz2").write_bytes(bz2.compress(rows))
    whole = gzip.decompress((folder / PRIMARY).read_bytes())
    commented = whole.replace(b"<metadata", b"<!-- spelled in another way -->\n<metadata", 1)
    (folder / f"commented-{PRIMARY}").write_bytes(gzip.compress(commented))
    names = {PRIMARY: whole, f"commented-{PRIMARY}": commented}
    stated = {name: _stated(folder / name, opened) for name, opened in names.items()}
    (folder / STATED).write_text(json.dumps(stated))


def _stated(path: Path, opened: bytes) -> dict[str, str | int]:
    data = path.read_bytes()
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "open_sha256": hashlib.sha256(opened).hexdigest(),
        "open_size": len(opened),
    }


def _package(number: int, chance: random.Random, words: list[str]) -> createrepo_c.Package:
    import createrepo_c

    package = createrepo_c.Package()
    position = number % _EVERY
    if position < 2:
        package.name, package.epoch = ("kernel", "kernel-devel")[position], "1"
        package.version, package.release = f"6.1.{number // _EVERY}", f"1.1.{_DIST}"
    else:
        package.name, package.epoch = "-".join(chance.choices(words, k=2)), "0"
        package.version = ".".join(str(chance.randrange(40)) for _ in range(3))
        package.release = f"{chance.randrange(1, 9)}.{_DIST}"
    package.arch = "x86_64"
    package.checksum_type, package.pkgId = "sha256", f"{chance.getrandbits(256):064x}"
    package.summary = " ".join(chance.choices(words, k=8))
    package.description = " ".join(chance.choices(words, k=60))
    package.url = f"https://example.org/{package.name}"
    package.time_file = package.time_build = 1_700_000_000 + number
    package.size_package = chance.randrange(1_000, 10_000_000)
    package.location_href = f"../../blobstore/{chance.getrandbits(256):064x}/{package.name}.rpm"
    package.rpm_license, package.rpm_vendor = "GPL-2.0-only", "Amazon Linux"
    package.rpm_group, package.rpm_buildhost = "Unspecified", "build.example.org"
    package.rpm_packager, package.rpm_sourcerpm = "Amazon Linux", f"{package.name}.src.rpm"
    evr = (package.epoch, package.version, package.release)
    provided = [package.name, f"{package.name}(x86-64)", *chance.choices(words, k=2)]
    package.provides = [(name, "EQ", *evr, False) for name in provided]
    needed = (f"lib{chance.choice(words)}.so.6()(64bit)" for _ in range(12))
    package.requires = [(name, None, None, None, None, False) for name in needed]
    package.files = [(None, "/usr/bin/", chance.choice(words)) for _ in range(2)]
    return package


if __name__ == "__main__":
    _make(Path(sys.argv[1]), int(sys.argv[2]))
