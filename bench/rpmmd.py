"""Kernel packages out of a large repository: this reader, createrepo_c's, and the sqlite way.

``python -m bench.rpmmd`` makes repositories of 30,000 and 70,000 packages with createrepo_c and
measures everything in one run, each reader in a process of its own. Time is the best of several
turns, in which the readers take turns, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench.repository import PRIMARY, SQLITE, STATED, make_repository
from bench.table import markdown

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (30_000, 70_000)
TURNS = 5

# As kernel-crawler asks: kernels, and whatever provides exactly what they and those require.
_QUERY = """
WITH RECURSIVE reached(kernel, pkgKey) AS (
    SELECT version || '-' || release || '.' || arch, pkgKey
    FROM packages WHERE name IN ('kernel', 'kernel-devel')
    UNION
    SELECT reached.kernel, provides.pkgKey
    FROM provides
    JOIN requires USING (name, flags, epoch, version, release)
    JOIN reached ON requires.pkgKey = reached.pkgKey
)
SELECT kernel, location_href FROM packages JOIN reached USING (pkgKey)
"""


def _this_reader(folder: Path, *, canonical: bool = True) -> int:
    from kmodbot.discovery.rpmmd import Digest, Item, Wanted, read_primary

    name = PRIMARY if canonical else f"commented-{PRIMARY}"
    stated = json.loads((folder / STATED).read_text())[name]
    digest, opened = (Digest("sha256", stated[key]) for key in ("sha256", "open_sha256"))
    item = Item("primary", name, digest, stated["size"], opened, stated["open_size"])
    result = read_primary(folder / name, item, Wanted(("kernel",)))
    if result.canonical is not canonical:
        raise SystemExit("the document was read in the other way")
    return len(result.packages)


def _full_parse(folder: Path) -> int:
    return _this_reader(folder, canonical=False)


def _createrepo_c(folder: Path) -> int:
    import createrepo_c  # type: ignore[import-untyped]

    names: list[str] = []
    createrepo_c.xml_parse_primary(
        str(folder / PRIMARY), pkgcb=lambda package: names.append(package.name), do_files=False
    )
    return sum(name.startswith("kernel") for name in names)


def _sqlite(folder: Path, *, compression: str = "gz") -> int:
    import sqlite3

    data = (folder / f"{SQLITE}.{compression}").read_bytes()
    decompress = gzip.decompress if compression == "gz" else bz2.decompress
    with tempfile.NamedTemporaryFile(suffix=".sqlite", dir=folder) as opened:
        opened.write(decompress(data))
        opened.flush()
        return len(sqlite3.connect(opened.name).execute(_QUERY).fetchall())


def _sqlite_bz2(folder: Path) -> int:
    return _sqlite(folder, compression="bz2")


READERS: dict[str, tuple[str, str, Callable[[Path], int]]] = {
    "createrepo_c": ("createrepo_c, nothing verified", "createrepo_c", _createrepo_c),
    "sqlite": ("recursive query, primary_db in gz", "sqlite3", _sqlite),
    "sqlite bz2": ("recursive query, primary_db in bz2", "sqlite3", _sqlite_bz2),
    "this": ("kmodbot, digests verified", "kmodbot.discovery.rpmmd", _this_reader),
    "full": ("kmodbot, not canonical: full parse", "kmodbot.discovery.rpmmd", _full_parse),
}

#: Those that find the kernels by name and nothing beside them.
EXACT = ("createrepo_c", "this", "full")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, action="append", help="packages in the repository")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        sys.stdout.write(json.dumps(measured(arguments.reader, arguments.folder)))
        return
    rows = []
    for size in arguments.size or SIZES:
        with tempfile.TemporaryDirectory(prefix="kmodbot-bench-") as folder:
            make_repository(Path(folder), size)
            rows += compare(Path(folder), size, arguments.turns)
    header = ("reader", "packages", "seconds", "of createrepo_c", "of the query", "MiB")
    sys.stdout.write(f"{markdown(header, rows)}\n")


def compare(folder: Path, size: int, turns: int) -> list[list[str]]:
    """Return one row for each reader of the repository."""
    best: dict[str, float] = {}
    memory: dict[str, float] = {}
    kernels: dict[str, float] = {}
    for _ in range(turns):
        for reader in READERS:
            result = _in_process(reader, folder)
            best[reader] = min(best.get(reader, float("inf")), result["seconds"])
            memory[reader] = max(memory.get(reader, 0), result["kib"])
            kernels[reader] = result["kernels"]
    if len({kernels[reader] for reader in READERS if reader in EXACT}) != 1:
        raise SystemExit(f"the readers do not agree on the number of kernels: {kernels}")
    return [
        [
            READERS[reader][0],
            f"{size:,}",
            f"{best[reader]:.3f}",
            f"{best[reader] / best['createrepo_c']:.2f}",
            f"{best[reader] / best['sqlite']:.2f}",
            f"{memory[reader] / 1024:.0f}",
        ]
        for reader in READERS
    ]


def _in_process(reader: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.rpmmd", "--reader", reader, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measured(reader: str, folder: Path) -> dict[str, float]:
    """Return the seconds, the kernel packages and the largest resident memory of one reading."""
    _, module, read = READERS[reader]
    # Loading code costs the same for a small repository: it is not what is compared.
    import_module(module)
    start = time.perf_counter()
    count = read(folder)
    seconds = time.perf_counter() - start
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "kernels": count, "kib": kib}


if __name__ == "__main__":
    main()
