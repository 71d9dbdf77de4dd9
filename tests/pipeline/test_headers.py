"""Headers come from the first source that has them, or the error lists all that were asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import SUPPORTED
from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers import CHAINS, HeaderTree, fetch_headers

from .conftest import kernel, written

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.phases import Log


def make_tree(path: Path, config: str = "CONFIG_MODVERSIONS=y\n") -> HeaderTree:
    """Make the least that counts as headers."""
    path.mkdir(parents=True)
    (path / ".config").write_text(config)
    (path / "Makefile").touch()
    (path / "Module.symvers").touch()
    return HeaderTree(path, path)


@dataclass
class Has:
    """A source that has every kernel."""

    name: str = "archive"

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        return make_tree(work / "headers")


@dataclass
class HasNot:
    """A source that has no kernel."""

    name: str = "suites"
    asked: list[str] = field(default_factory=list)

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        self.asked.append(kernel.release)
        raise HeadersNotFound(f"linux-headers-{kernel.release} not listed")


def test_the_next_source_is_asked_when_one_has_nothing(tmp_path: Path, log: Log) -> None:
    tree = fetch_headers(kernel(), tmp_path, tmp_path, log, [HasNot(), Has()])
    assert tree.config == {"CONFIG_MODVERSIONS": "y"}
    assert "headers: suites: linux-headers-6.1.0-38-amd64 not listed (0.0 s)" in written(log)
    assert "headers: archive: found (0.0 s)" in written(log)


def test_no_source_is_asked_after_the_first_that_has_them(tmp_path: Path, log: Log) -> None:
    later = HasNot()
    fetch_headers(kernel(), tmp_path, tmp_path, log, [Has(), later])
    assert later.asked == []


def test_the_final_error_lists_every_source_and_what_to_do(tmp_path: Path, log: Log) -> None:
    with pytest.raises(BuildError) as caught:
        fetch_headers(kernel(), tmp_path, tmp_path, log, [HasNot("one"), HasNot("two")])
    message = str(caught.value)
    assert "no headers for 6.1.0-38-amd64 (debian 12, x86_64)" in message
    assert "1. one: linux-headers-6.1.0-38-amd64 not listed" in message
    assert "2. two: " in message
    assert "Boot the node on a kernel that is still listed" in message


def test_every_distribution_has_a_chain() -> None:
    assert set(CHAINS) == set(SUPPORTED)


def test_the_headers_say_which_source_they_are_from(tmp_path: Path, log: Log) -> None:
    tree = fetch_headers(kernel(), tmp_path, tmp_path, log, [HasNot(), Has("archive")])
    assert tree.source == "archive"


@pytest.mark.parametrize("name", [".config", "Makefile", "Module.symvers"])
def test_headers_that_lack_a_file_are_refused(tmp_path: Path, name: str) -> None:
    tree = make_tree(tmp_path / "linux-headers-x")
    (tree.path / name).unlink()
    with pytest.raises(BuildError, match=f"linux-headers-x lack {name}"):
        tree.check()


def test_the_configuration_is_read_without_quotes_and_comments(tmp_path: Path) -> None:
    config = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="gcc-12 (x) 12.2.0"\nCONFIG_D=""\n'
    tree = make_tree(tmp_path / "headers", config)
    assert tree.config == {"CONFIG_B": "y", "CONFIG_C": "gcc-12 (x) 12.2.0", "CONFIG_D": ""}


def test_every_chain_names_its_sources_apart() -> None:
    for chain in CHAINS.values():
        names = [source.name for source in chain]
        assert len(names) == len(set(names))
