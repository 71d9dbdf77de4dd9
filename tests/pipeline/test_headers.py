"""Headers come from the first source that has them, or the error lists all that were asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import SUPPORTED, Kernel
from kmodbot.pipeline.commands import CommandFailed
from kmodbot.pipeline.errors import (
    BadInput,
    BuildError,
    HeadersNotFound,
    NoAnswer,
    Unequipped,
)
from kmodbot.pipeline.headers import CHAINS, HeaderTree, fetch_headers
from kmodbot.pipeline.headers.deadline import seconds_left

from .conftest import kernel, written

if TYPE_CHECKING:
    from pathlib import Path

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


@dataclass
class Fails:
    """A source that ends with an error."""

    error: BuildError
    name: str = "broken"

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        raise self.error


class HasPart:
    """A source whose headers lack the symbols."""

    name = "partial"

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        tree = make_tree(work / "headers")
        (tree.path / "Module.symvers").unlink()
        return tree


@pytest.mark.parametrize(
    "source",
    [
        Fails(CommandFailed(["dpkg-deb"], 2, "not a Debian archive\n")),
        Fails(BuildError("the package of x holds no x/Makefile")),
        Fails(Unequipped("the program rpm2cpio is missing")),
        HasPart(),
    ],
    ids=["program", "package", "machine", "tree"],
)
def test_whatever_goes_wrong_ends_the_step_only(
    tmp_path: Path, log: Log, source: Fails | HasPart
) -> None:
    assert fetch_headers(kernel(), tmp_path, tmp_path, log, [source, Has()]).source == "archive"
    assert f"headers: {source.name}: " in written(log)


def test_an_error_of_several_lines_is_one_step_of_the_list(tmp_path: Path, log: Log) -> None:
    broken = Fails(CommandFailed(["dpkg-deb"], 2, "one\ntwo\n"))
    with pytest.raises(BuildError, match=r"1\. broken: dpkg-deb ended with status 2: one two \("):
        fetch_headers(kernel(), tmp_path, tmp_path, log, [broken])


def test_a_setting_that_is_wrong_ends_the_build_at_once(tmp_path: Path, log: Log) -> None:
    wrong = Fails(BadInput("KMODBOT_DEBIAN_MIRROR: expected an address"))
    with pytest.raises(BadInput, match=r"^KMODBOT_DEBIAN_MIRROR: "):
        fetch_headers(kernel(), tmp_path, tmp_path, log, [wrong, Has()])


def last_line(caught: pytest.ExceptionInfo[BuildError]) -> str:
    return str(caught.value).splitlines()[-1]


def test_a_machine_that_can_ask_nobody_is_told_what_to_install(tmp_path: Path, log: Log) -> None:
    lacking = Fails(Unequipped("the program dpkg-deb is missing; install it with: dpkg"))
    with pytest.raises(BuildError, match="install it with: dpkg") as caught:
        fetch_headers(kernel(), tmp_path, tmp_path, log, [lacking, lacking])
    assert last_line(caught) == (
        "No archive was asked: install what is named above, or build in the image of debian 12, "
        "which has it."
    )


def test_steps_that_could_not_be_tried_are_named_beside_the_advice(
    tmp_path: Path, log: Log
) -> None:
    lacking = Fails(Unequipped("no keys"))
    with pytest.raises(BuildError) as caught:
        fetch_headers(kernel(), tmp_path, tmp_path, log, [lacking, HasNot(), lacking])
    assert "Boot the node on a kernel that is still listed" in last_line(caught)
    assert "Steps 1, 3 could not be tried: install what is named there" in last_line(caught)


@pytest.mark.parametrize(
    ("release", "source"),
    [
        (
            "6.17.0-061700-generic",
            "This is a mainline build of https://kernel.ubuntu.com/mainline/",
        ),
        ("5.15.0-1028-fips", "FIPS kernels come with Ubuntu Pro"),
        ("5.15.0-1005-gcp-fips", "FIPS kernels come with Ubuntu Pro"),
        ("6.8.1-1015-realtime", "Most real-time kernels come with Ubuntu Pro"),
        ("6.8.0-63-generic", "Distributions remove the headers"),
        ("6.8.0-1059-azure", "Distributions remove the headers"),
    ],
)
def test_kernels_that_no_public_archive_has_are_recognised(
    tmp_path: Path, log: Log, release: str, source: str
) -> None:
    wanted = Kernel("ubuntu", "24.04", "x86_64", release)
    with pytest.raises(BuildError) as caught:
        fetch_headers(wanted, tmp_path, tmp_path, log, [HasNot()])
    assert last_line(caught).startswith(source)
    private = "name it by KMODBOT_UBUNTU_MIRROR and its key by KMODBOT_UBUNTU_KEYRING"
    assert (private in last_line(caught)) is not source.startswith("Distributions")


class TakesAllTheTime:
    """A source that finds nothing before the time is over."""

    name = "slow"

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        while seconds_left() > 0:
            time.sleep(0.01)
        raise HeadersNotFound("nothing")


def test_no_step_is_begun_when_the_time_is_over(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMODBOT_HEADERS_SECONDS", "0.5")
    with pytest.raises(BuildError) as caught:
        fetch_headers(kernel(), tmp_path, tmp_path, log, [TakesAllTheTime(), Has(), Has("late")])
    late = "not asked, because the 0.5 s for headers are over (KMODBOT_HEADERS_SECONDS)"
    for line in ("1. slow: nothing", f"2. archive: {late}", f"3. late: {late}"):
        assert line in str(caught.value)


def test_a_time_that_is_none_is_refused(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMODBOT_HEADERS_SECONDS", "soon")
    with pytest.raises(BadInput, match=r"^KMODBOT_HEADERS_SECONDS: expected a number"):
        fetch_headers(kernel(), tmp_path, tmp_path, log, [Has()])


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


@dataclass
class Silent:
    """A source that cannot be reached."""

    name: str = "mirror"

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        raise NoAnswer("http://mirror.example: no route to host")


def test_what_could_not_be_asked_is_not_taken_for_removed(tmp_path: Path, log: Log) -> None:
    with pytest.raises(BuildError) as caught:
        fetch_headers(kernel(), tmp_path, tmp_path, log, [HasNot(), Silent()])
    assert "Step 2 could not tell, so the headers may be there all the same" in str(caught.value)
    assert "remove the headers" not in str(caught.value)
