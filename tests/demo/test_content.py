"""`python -m demo.content` writes a driver's repository, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import content

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    builder = tmp_path / "driver-builder.pyz"
    builder.write_bytes(b"builder")
    monkeypatch.setattr(content, "BUILDER", builder)
    return builder


def test_the_example_is_set_up_for_kmodbot(tmp_path: Path) -> None:
    assert content.main([str(tmp_path / "driver")]) == 0
    github = tmp_path / "driver" / ".github"
    assert (tmp_path / "driver" / "driver.yml").is_file()
    assert (github / "workflows" / "driver-build.yml").is_file()
    assert (github / "kmodbot" / "driver-builder.pyz").read_bytes() == b"builder"
    assert (github / "kernels.json").read_text() == "{}\n"


def test_a_directory_that_exists_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert content.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"python -m demo.content: {tmp_path} exists; name a new one\n"


def test_nothing_is_written_without_the_builder(
    tmp_path: Path, builder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.unlink()
    assert content.main([str(tmp_path / "driver")]) == 2
    assert capsys.readouterr().err.endswith("driver-builder.pyz is missing; run make dist first\n")
    assert not (tmp_path / "driver").exists()


def test_help_names_the_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        content.main(["--help"])
    assert ended.value.code == 0
    assert "usage: python -m demo.content [-h] DIRECTORY" in capsys.readouterr().out
