"""The log reads well in a terminal, in a pipe and on GitHub Actions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.phases import Log

from .conftest import written

if TYPE_CHECKING:
    from pathlib import Path


def on_actions(summary: Path) -> Log:
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    log = Log.from_environment(environment)
    log.stream = io.StringIO()
    return log


def test_lines_carry_the_seconds_since_the_start(log: Log) -> None:
    log.line("headers: found")
    assert written(log) == "[   0.0s] headers: found\n"


def test_phases_are_folded_on_actions_only(log: Log, tmp_path: Path) -> None:
    actions = on_actions(tmp_path / "summary.md")
    for each in (log, actions):
        with each.phase("compile"):
            each.raw("CC hello.o")
    assert written(log) == "CC hello.o\n"
    assert written(actions) == "::group::compile\nCC hello.o\n::endgroup::\n"


def test_what_a_build_prints_is_no_command_for_actions(log: Log, tmp_path: Path) -> None:
    actions = on_actions(tmp_path / "summary.md")
    for each in (log, actions):
        with each.foreign():
            each.raw("::error::forged")
        with pytest.raises(ValueError, match="broken"), each.foreign():
            raise ValueError("broken")
        each.raw("::endgroup::")
    assert written(log) == "::error::forged\n::endgroup::\n"
    lines = written(actions).splitlines()
    first, second = (line.removeprefix("::stop-commands::") for line in (lines[0], lines[3]))
    assert len(first) == 32
    assert first != second
    assert lines == [
        f"::stop-commands::{first}",
        "::error::forged",
        f"::{first}::",
        f"::stop-commands::{second}",
        f"::{second}::",
        "::endgroup::",
    ]


def test_no_line_of_the_log_carries_a_command_within(tmp_path: Path) -> None:
    log = on_actions(tmp_path / "summary.md")
    log.line("version 1\n::add-mask::a\r::error::b ##[error]c")
    assert written(log) == "[   0.0s] version 1 ::add-mask::a ::error::b # #[error]c\n"


def test_a_failed_phase_is_closed_and_counted(tmp_path: Path) -> None:
    log = on_actions(tmp_path / "summary.md")
    with pytest.raises(ValueError, match="broken"), log.phase("compile"):
        raise ValueError("broken")
    assert written(log).endswith("::endgroup::\n")
    assert list(log.phases) == ["compile"]


def test_the_summary_is_added_to_what_other_steps_wrote(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    log = on_actions(summary)
    with log.phase("headers"):
        log.note("BTF: included")
    log.finish("driver-builder build")
    lines = summary.read_text().splitlines()
    assert lines[:2] == ["before", "### driver-builder build"]
    assert "| phase | seconds |" in lines
    assert "| headers | 0.00 |" in lines
    assert "- BTF: included" in lines


def test_the_summary_tells_what_was_made(tmp_path: Path) -> None:
    log = on_actions(tmp_path / "summary.md")
    log.result(package="hello.deb", sha256="ab12", headers="Debian suites", compiler="gcc-12")
    log.finish("driver-builder build")
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert "| package | sha256 | headers | compiler |" in lines
    assert "| hello.deb | ab12 | Debian suites | gcc-12 |" in lines


def test_the_log_ends_with_what_was_made_and_what_a_person_should_know(log: Log) -> None:
    with log.phase("headers"):
        log.note("BTF: included")
    log.result(package="hello.deb", sha256="ab12", headers="Debian suites", compiler="gcc-12")
    log.finish("driver-builder build")
    assert written(log).splitlines()[1:] == [
        "[   0.0s] phase            seconds",
        "          headers             0.00",
        "[   0.0s] result",
        "          package          hello.deb",
        "          sha256           ab12",
        "          headers          Debian suites",
        "          compiler         gcc-12",
        "[   0.0s] notes",
        "          BTF: included",
    ]


def test_notes_tell_which_of_several_kernels_they_are_about(log: Log) -> None:
    log.about = "6.1.0-38-amd64"
    log.note("BTF: included")
    log.about = ""
    log.note("done")
    assert log.notes == ["6.1.0-38-amd64: BTF: included", "done"]


def test_a_note_cannot_break_the_summary(tmp_path: Path) -> None:
    log = on_actions(tmp_path / "summary.md")
    log.note("one\n| two |")
    log.finish("driver-builder build")
    assert "- one \\| two \\|" in (tmp_path / "summary.md").read_text().splitlines()


def test_an_error_of_several_lines_stays_one_annotation(log: Log, tmp_path: Path) -> None:
    actions = on_actions(tmp_path / "summary.md")
    for each in (log, actions):
        each.failed("100 % wrong\nreally")
    assert written(log) == "error: 100 % wrong\nreally\n"
    assert written(actions) == "::error::100 %25 wrong%0Areally\n"
