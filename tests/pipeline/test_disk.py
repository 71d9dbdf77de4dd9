"""A full disk is called that, with what would give more room."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.build import build
from kmodbot.pipeline.commands import CommandFailed, capture, pipe, stream
from kmodbot.pipeline.disk import LEAST, disk_errors
from kmodbot.pipeline.errors import BuildError, Unequipped

from .conftest import HELLO, build_request

if TYPE_CHECKING:
    from kmodbot.pipeline.phases import Log

# What is written to it meets a disk that is full.
FULL = Path("/dev/full")
FILL = ["cp", str(HELLO / "driver.yml"), str(FULL)]


@pytest.mark.parametrize("name", ["TMPDIR", "--cache"])
def test_a_disk_that_is_too_small_ends_the_build_before_headers_are_fetched(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(LEAST, name, 10**12)
    with pytest.raises(Unequipped, match=rf"^{name}: \d+ MB are free in .*needs 1000000000000 MB"):
        build(build_request(), HELLO, tmp_path / "out", tmp_path / "cache", log)
    assert log.phases == {}


def test_a_file_that_cannot_be_written_is_named_with_the_room_there_is(tmp_path: Path) -> None:
    package = tmp_path / "hello.deb"
    package.symlink_to(FULL)
    places = {"TMPDIR": tmp_path, "--output": tmp_path / "not" / "there"}
    with pytest.raises(BuildError) as caught, disk_errors(places):
        package.write_bytes(b"package")
    message = str(caught.value)
    assert message.startswith("No space left on device\nFree are ")
    assert f" MB in {tmp_path} (TMPDIR), " in message
    assert f" MB in {tmp_path}/not/there (--output); name a directory with more room." in message


def test_another_error_is_the_file_and_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    expected = rf"^{file}: Not a directory$"
    with pytest.raises(BuildError, match=expected), disk_errors({"TMPDIR": tmp_path}):
        file.rmdir()


def test_an_error_without_a_number_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^strange$"), disk_errors({"TMPDIR": tmp_path}):
        raise OSError("strange")


def test_a_program_that_met_a_full_disk_is_not_to_blame(tmp_path: Path) -> None:
    for run in (
        lambda: capture(FILL),
        lambda: stream(FILL, on_line=lambda _: None),
        lambda: pipe(FILL, ["cat"], cwd=tmp_path),
        lambda: pipe(["true"], FILL, cwd=tmp_path),
    ):
        with pytest.raises(OSError, match=r"cp ended with status 1: cp: .* space left") as caught:
            run()
        assert caught.value.errno == errno.ENOSPC


def test_a_thousand_lines_about_the_disk_become_one() -> None:
    script = (
        'for n in 1 2 3; do echo "tar: ./$n: Cannot write: No space left on device"; done; exit 2'
    )
    with pytest.raises(OSError, match=r"sh ended with status 2: tar: \./1: Cannot write") as caught:
        capture(["sh", "-c", script])
    assert "\n" not in str(caught.value)


def test_other_failures_of_programs_stay_what_they_are() -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        capture(["cat", "/nowhere"])
